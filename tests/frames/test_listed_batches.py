"""Facts about `flipbatch.frames.listed_batches`: many paths at once give the rows that each gives alone."""

from __future__ import annotations

import os
from array import array

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.frames import listed_batches as module
from flipbatch.frames.listed_batches import listed_batches
from flipbatch.frames.manifest import list_frames
from flipbatch.frames.names import Root, parse_frame
from flipbatch.frames.row_batches import rows_of
from flipbatch.schema import Label, Split
from flipbatch.storage.directory import SizedFiles
from flipbatch.storage.listing import ListedFile

START = len("/root/")
FOLDERS = st.sampled_from(["flip", "not flip", "train", "book 1", "é", "e\u0301", ".x", "a_b", "", "K\u212a"])
NAMES = st.one_of(
    st.sampled_from(["a_1.jpg", "a_1.JPG", "._a_1.jpg", "_1.jpg", "a_1.jpg.txt", "a.b_1.png", "a__1.tiff"]),
    st.from_regex(
        r"[.a_ é\n]{0,4}_?[0-9]{0,19}\.?(jpg|JPEG|webp|tx\u017f|\u017ftif|gif|tif)?", fullmatch=True
    ),
)
PATHS = st.builds(lambda folders, name: "/".join([*folders, name]), st.lists(FOLDERS, max_size=3), NAMES)
ROOTS = st.sampled_from([Root(), Root(Label.FLIP, Split.TEST)])


def found(pages, root):
    batches = list(
        listed_batches(pages, START, root, lambda file: (file, parse_frame(file.uri[START:], root)))
    )
    frames = [row for batch in batches for row in batch.frames.to_pylist()]
    misnamed = [row for batch in batches for row in batch.misnamed.to_pylist()]
    readings = [
        (one.path, label, split, number)
        for batch in batches
        for (one, label, split), number in batch.readings.items()
    ]
    return sorted(map(repr, frames)), sorted(map(repr, misnamed)), readings


def one_by_one(files, root):
    rows = rows_of([(file, parse_frame(file.uri[START:], root)) for file in files])
    return sorted(map(repr, rows.frames.to_pylist())), sorted(map(repr, rows.misnamed.to_pylist()))


def total(readings):
    return {
        what: sum(n for *one, n in readings if one == list(what)) for what in {tuple(r[:3]) for r in readings}
    }


@given(st.lists(PATHS, max_size=12, unique=True), ROOTS)
@settings(max_examples=300, deadline=None)
def test_paths_give_the_rows_that_each_gives_alone(paths, root):
    files = [ListedFile(f"/root/{path}", f"{number} bytes") for number, path in enumerate(paths)]
    rows = rows_of([(file, parse_frame(file.uri[START:], root)) for file in files])
    *tables, readings = found([iter(files)], root)
    assert tuple(tables) == one_by_one(files, root)
    expected = [(folders.path, label, split, n) for (folders, label, split), n in rows.readings.items()]
    assert total(readings) == total(expected)


@given(st.lists(NAMES.filter(lambda name: name and "/" not in name), max_size=12, unique=True))
@settings(max_examples=100, deadline=None)
def test_so_do_the_files_of_a_local_directory(names):
    sizes = array("q", [-1 if number == 1 else number for number in range(len(names))])
    directory = SizedFiles("/root/flip/", names, sizes)
    assert found([directory], Root())[:2] == one_by_one([ListedFile(*file) for file in directory], Root())


@pytest.mark.parametrize("sizes", [[1] * 10, [4, 4], [4, 4, 1], [9, 2]])
def test_batches_are_full_however_many_files_a_directory_has(monkeypatch, sizes):
    monkeypatch.setattr(module, "ROWS_PER_BATCH", 4)
    pages = [
        SizedFiles(f"/root/{number}/", [f"a_{frame}.jpg" for frame in range(size)], array("q", [0] * size))
        for number, size in enumerate(sizes)
    ]
    batches = list(listed_batches(pages, START, Root(), lambda file: pytest.fail(str(file))))
    assert {batch.frames.num_rows for batch in batches[:-1]} == {4}
    assert batches[-1].frames.num_rows > 0
    assert pa.concat_tables([pa.Table.from_batches([one.frames]) for one in batches]).num_rows == sum(sizes)


def test_a_name_that_is_not_in_utf8_is_named_alone():
    names = ["a_1.jpg", "\udcff_2.jpg"]
    directory = SizedFiles("/root/", names, array("q", [1, 2]))
    named = []

    def name(file):
        named.append(file.uri)
        return ListedFile("printed", None), "not named in UTF-8"

    list(listed_batches([directory], START, Root(), name))
    assert named == ["/root/a_1.jpg", "/root/\udcff_2.jpg"]


def test_so_are_the_files_of_a_folder_that_is_not_in_utf8(tmp_path):
    for folder in (b"caf\xe9", b"ok"):
        os.makedirs(os.fsencode(tmp_path) + b"/" + folder)
        (tmp_path / os.fsdecode(folder) / "a_1.jpg").touch()
    manifest = list_frames(str(tmp_path))
    assert manifest.frames["video_id"].to_pylist() == ["ok/a"]
    assert manifest.misnamed["reason"].to_pylist() == ["not named in UTF-8, as paths in tables are"]
