"""Facts about `flipbatch.frames.manifest`."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.frames import listed_batches, row_batches
from flipbatch.frames.manifest import (
    list_frames,
    load_manifest,
    manifest_rows,
    source,
)
from flipbatch.frames.names import FrameName, Root, parse_frame
from flipbatch.frames.notes import Notes
from flipbatch.schema import MANIFEST, MISNAMED
from flipbatch.storage.listing import ListedFile
from tests.frames.manifests import csv, gathered, rows, touch

KEYS = ("video_id", "frame_number", "uri")


@given(st.lists(st.tuples(st.text(max_size=2), st.integers(0, 11), st.text(max_size=2))))
def test_frames_are_sorted_by_video_frame_number_and_uri(frames):
    named = [
        (ListedFile(uri, None), FrameName(video_id, number, None, None)) for video_id, number, uri in frames
    ]
    assert rows(gathered(named), *KEYS) == sorted(frames)


def test_both_tables_have_their_schema(tmp_path):
    touch(tmp_path, "a_1.jpg", "notes.txt")
    manifest = list_frames(str(tmp_path))
    assert manifest.frames.schema == MANIFEST
    assert manifest.misnamed.schema == MISNAMED


def test_a_directory_without_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"^No files were found below {tmp_path}: check the path"):
        list_frames(str(tmp_path))


def test_a_directory_without_frames_is_refused_and_the_first_file_is_named(tmp_path):
    touch(tmp_path, "b.jpg", "a.txt")
    why = rf"None of the 2 files below .*{tmp_path}/a\.txt is not an image or a film"
    with pytest.raises(InputError, match=why):
        list_frames(str(tmp_path))


def test_without_frames_it_is_said_what_was_passed_over(tmp_path):
    touch(tmp_path, "a.txt", ".snapshot/flip/a_1.jpg")
    with pytest.raises(InputError) as error:
        list_frames(str(tmp_path))
    assert str(error.value) == (
        f"The only file below {tmp_path} is not a frame named VideoID_FrameNumber.jpg: {tmp_path}/a.txt is "
        "not an image or a film: its extension is .txt. 1 hidden or system folder was passed over: .snapshot."
    )


@pytest.mark.parametrize("pattern", ["*", "*flip", "*/flip", "d/*/fl?p"])
def test_a_pattern_that_matches_folders_only_says_that_it_must_match_files(tmp_path, pattern):
    touch(tmp_path, "README.md", "flip/a_1.jpg", "e/flip/a_1.jpg", "d/f/flip/a_1.jpg")
    with pytest.raises(
        InputError, match=r"matches folders, such as .*(flip|d), but it must match files: add /\*"
    ):
        list_frames(f"{tmp_path}/{pattern}")
    assert list_frames(f"{tmp_path}/{pattern}/**").frames.num_rows
    assert not any("must match files" in note for note in list_frames(f"{tmp_path}/{pattern}/**").notes)


@pytest.mark.parametrize(
    ("path", "frame"),
    [(r"C:\frames", r"C:\frames/a_1.jpg"), ("d:/f/*/*", "d:/f/x/a_1.jpg"), (r"\\nas\f", r"\\nas\f/a_1.jpg")],
)
def test_a_path_of_windows_is_refused_unless_it_is_here(tmp_path, monkeypatch, path, frame):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"is a path of Windows: give the path .* on this system"):
        list_frames(path)
    touch(tmp_path, frame)
    assert list_frames(path).frames.num_rows == 1


@pytest.mark.parametrize("pattern", ["", "/*/*", "/**"])
def test_files_that_are_not_frames_are_named_below_what_was_listed(tmp_path, pattern):
    touch(tmp_path, "flip/a_1.jpg", "flip/b.txt")
    named = "1 file is not a frame: flip/b.txt."
    assert list_frames(f"{tmp_path}{pattern}").notes == (named,)
    table = csv(tmp_path, "uri", "flip/a_1.jpg", "flip/b.txt", "/elsewhere/c.txt")
    named = "2 files are not frames: /elsewhere/c.txt, flip/b.txt."
    assert named in load_manifest(None, table).notes


def test_one_of_the_two_sources_must_be_given(tmp_path):
    touch(tmp_path, "a_1.jpg")
    assert load_manifest(str(tmp_path), None).frames.num_rows == 1
    assert load_manifest(None, csv(tmp_path, "uri", "a_1.jpg")).frames.num_rows == 1
    with pytest.raises(InputError, match="Neither frames nor a manifest were given"):
        load_manifest(None, None)


def test_rows_come_in_batches_from_a_listing_and_from_a_table(tmp_path, monkeypatch):
    for module in (row_batches, listed_batches):
        monkeypatch.setattr(module, "ROWS_PER_BATCH", 2)
    names = ["a_1.jpg", "a_2.jpg", "b_1.jpg", "x.txt", "y.txt"]
    touch(tmp_path, *names)
    table = csv(tempfile.mkdtemp(dir=tmp_path.parent), "uri", *(f"{tmp_path}/{name}" for name in names))
    for uris in ((str(tmp_path), None), (None, table)):
        pieces = list(manifest_rows(*uris, Notes()))
        assert [piece.frames.num_rows + piece.misnamed.num_rows for piece in pieces] == [2, 2, 1]
        assert sum(piece.frames.num_rows for piece in pieces) == 3


def test_a_manifest_goes_before_frames(tmp_path):
    assert source("/frames/", f"{tmp_path}/m.csv") == f"{tmp_path}/m.csv"
    assert source("/frames/", None) == "/frames"


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 100])
def test_a_manifest_does_not_depend_on_the_size_of_batches(tmp_path, monkeypatch, at_a_time):
    touch(tmp_path, *(f"{'ab'[i % 2]}_{i}.jpg" for i in range(7)), "x.txt", "y.txt")
    whole = list_frames(str(tmp_path))
    for module in (row_batches, listed_batches):
        monkeypatch.setattr(module, "ROWS_PER_BATCH", at_a_time)
    again = list_frames(str(tmp_path))
    assert again.frames.equals(whole.frames)
    assert again.misnamed.equals(whole.misnamed)


def test_a_manifest_counts_its_videos():
    named = [(ListedFile(uri, None), parse_frame(uri, Root())) for uri in ("a_1.jpg", "a_2.jpg", "b_1.jpg")]
    assert gathered(named).videos == 2
