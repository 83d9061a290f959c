"""Facts about `flipbatch.frames.manifest_fingerprint`."""

from __future__ import annotations

import pyarrow as pa

from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.frames.names import Root, parse_frame
from flipbatch.schema import MANIFEST
from flipbatch.storage.listing import ListedFile
from tests.frames.manifests import gathered


def table_of(*uris):
    rows = [(ListedFile(uri, None), parse_frame(uri, Root())) for uri in uris]
    return gathered(rows).frames


def test_equal_rows_have_one_fingerprint_however_they_are_chunked():
    whole = table_of("a_1.jpg", "flip/b_2.jpg", "c_3.jpg")
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert manifest_fingerprint(whole) == manifest_fingerprint(pieces)
    assert len(manifest_fingerprint(whole)) == 64


def test_the_fingerprint_of_known_rows_is_known():
    table = pa.table(
        [
            *[["ü/v", "b"], [1, 2], ["a'b", "c"], ["flip", None], [None, "val"], ["1 bytes", None], ["v", "b"]],
            *[[None, 1.5], [None, True]],
        ],
        schema=MANIFEST,
    )
    assert manifest_fingerprint(table) == "71d418acd26c71d4728b6c15267786a3e9aa17fa41d7d0a109644a823978f0bd"


def test_other_rows_have_other_fingerprints():
    tables = [
        table_of("a_1.jpg"),
        table_of("a_2.jpg"),
        table_of("flip/a_1.jpg"),
        table_of("a_1.jpg", "a_1.jpg"),
    ]
    assert len({manifest_fingerprint(table) for table in tables}) == len(tables)
