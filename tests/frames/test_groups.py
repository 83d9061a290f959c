"""Facts about `flipbatch.frames.groups`."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.frames.groups import GroupCheck
from flipbatch.frames.manifest import read_manifest
from flipbatch.schema import MANIFEST
from tests.frames.manifests import csv

rows = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("gh")), max_size=8).map(
    lambda some: sorted(some, key=lambda row: row[0])
)


def check(videos_and_groups, rows_per_batch):
    columns = {"frame_number": 1, "uri": "u", "label": None, "split": None, "version": None}
    listed = [columns | {"video_id": video, "group": group} for video, group in videos_and_groups]
    groups = GroupCheck()
    for start in range(0, len(listed), rows_per_batch):
        groups.add(pa.RecordBatch.from_pylist(listed[start : start + rows_per_batch], MANIFEST))


@given(rows, st.integers(1, 8))
def test_rows_are_refused_exactly_where_a_video_has_two_groups(videos_and_groups, rows_per_batch):
    if len(set(videos_and_groups)) == len({video for video, _ in videos_and_groups}):
        check(videos_and_groups, rows_per_batch)
    else:
        with pytest.raises(InputError, match="into two groups"):
            check(videos_and_groups, rows_per_batch)


def test_a_video_in_two_groups_is_one_sentence(tmp_path):
    path = csv(tmp_path, "uri,group", "flip/a_1.jpg,desk", "flip/a_2.jpg,desk", "flip/a_3.jpg,shelf")
    with pytest.raises(InputError) as refused:
        read_manifest(path)
    assert str(refused.value) == (
        "The manifest puts video a into two groups, desk and shelf: give all frames of a video the same "
        "group."
    )


def test_the_sentence_says_what_an_empty_cell_means(tmp_path):
    path = csv(tmp_path, "uri,group", "flip/a_1.jpg,desk", "notflip/a_1.jpg,", "flip/a_2.jpg,")
    with pytest.raises(InputError, match=r"flip/a into two groups, desk and a \(an empty cell means a\)"):
        read_manifest(path)


def test_no_rows_are_not_refused():
    GroupCheck().add(pa.RecordBatch.from_pylist([], MANIFEST))
