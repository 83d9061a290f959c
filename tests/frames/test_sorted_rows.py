"""Facts about `flipbatch.frames.sorted_rows`."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.frames.manifest import list_frames, read_manifest
from flipbatch.frames.notes import Notes
from flipbatch.frames.sorted_rows import SortedRowsCheck
from flipbatch.schema import MANIFEST
from tests.frames.manifests import csv, touch

rows = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("gh")), max_size=8).map(
    lambda some: sorted(some, key=lambda row: row[0])
)


def check(videos_and_groups, rows_per_batch):
    columns = {"uri": "u", "label": None, "split": None, "version": None}
    listed = [
        columns | {"video_id": video, "group": group, "frame_number": number}
        for number, (video, group) in enumerate(videos_and_groups)
    ]
    groups = SortedRowsCheck(Notes(), "/f")
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
    SortedRowsCheck(Notes(), "/f").add(pa.RecordBatch.from_pylist([], MANIFEST))


# ---------------------------------------------------------------------------------------- frame numbers

numbers = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=8).map(sorted)


@given(numbers, st.integers(1, 8))
def test_files_of_one_frame_number_are_counted_however_rows_come(videos_and_numbers, rows_per_batch):
    columns = {"label": None, "split": None, "version": None, "group": "g"}
    rows = [
        columns | {"video_id": video, "frame_number": number, "uri": f"u{index}"}
        for index, (video, number) in enumerate(videos_and_numbers)
    ]
    notes = Notes()
    check = SortedRowsCheck(notes, "/f")
    for start in range(0, len(rows), rows_per_batch):
        check.add(pa.RecordBatch.from_pylist(rows[start : start + rows_per_batch], MANIFEST))
    repeated = len(rows) - len(set(videos_and_numbers))
    assert (
        notes.lines()[0].startswith((f"{repeated} files have", "1 file has"))
        if repeated
        else not notes.lines()
    )


def test_two_files_of_one_frame_number_are_one_line(tmp_path):
    touch(tmp_path, "0001_12.jpg", "0001_000000012.png", "0001_13.jpg")
    manifest = list_frames(str(tmp_path))
    assert manifest.frames.num_rows == 3
    assert manifest.notes == (
        "1 file has the video and the frame number of another file, and counts as a frame of its own: "
        "0001_12.jpg (also 0001_000000012.png).",
    )


@pytest.mark.parametrize("rows_per_batch", [1, 2, 3, 6])
def test_a_file_of_one_frame_number_is_named_with_the_first_one_below_what_was_listed(rows_per_batch):
    notes = Notes()
    check = SortedRowsCheck(notes, "s3://b/f/*/*")
    columns = {"label": None, "split": None, "version": None, "group": "g", "video_id": "0001"}
    names = [(12, "a/0001_012.jpg"), (12, "b/0001_12.png"), (12, "c/0001_12.png"), (13, "a/0001_13.jpg")]
    rows = [columns | {"frame_number": number, "uri": f"s3://b/f/{name}"} for number, name in names]
    for start in range(0, len(rows), rows_per_batch):
        check.add(pa.RecordBatch.from_pylist(rows[start : start + rows_per_batch], MANIFEST))
    (line,) = notes.lines()
    assert line.endswith(": b/0001_12.png (also a/0001_012.jpg), c/0001_12.png (also a/0001_012.jpg).")


def test_one_name_in_two_forms_of_unicode_is_one_video(tmp_path):
    touch(tmp_path, "caf\u00e9_1.jpg", "cafe\u0301_1.jpg", "cafe\u0301_2.jpg")
    manifest = list_frames(str(tmp_path))
    assert set(manifest.frames["video_id"].to_pylist()) == {"caf\u00e9"}
    assert manifest.notes[0].startswith("1 file has the video and the frame number of another file")
