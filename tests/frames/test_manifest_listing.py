"""Facts about `flipbatch.frames.manifest_listing`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.frames.manifest import (
    list_frames,
)
from tests.frames.manifests import rows, touch

file_names = st.sampled_from(
    [
        "a_1.jpg",
        "a_2.jpg",
        "b_1.png",
        "a.jpg",
        "_1.jpg",
        ".DS_Store",
        "._a_1.jpg",
        "x_1.txt",
        "a_1.JPG",
        "noext",
    ]
)


paths = st.lists(st.sampled_from(["flip", "notflip", "train", "test", "book"]), max_size=3)


@given(st.lists(st.tuples(paths, file_names), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_listed_file_is_in_exactly_one_of_the_two_tables(files):
    root = tempfile.mkdtemp()
    touch(root, "a_9.jpg", *("/".join([*folders, name]) for folders, name in files))
    manifest = list_frames(root)
    found = manifest.frames["uri"].to_pylist() + manifest.misnamed["uri"].to_pylist()
    shutil.rmtree(root)
    assert sorted(found) == sorted({f"{root}/a_9.jpg"} | {"/".join([root, *f, name]) for f, name in files})


def test_a_listed_frame_is_a_row_with_what_its_path_says(tmp_path):
    touch(tmp_path, "training/flip/0002_000000012.jpg")
    (row,) = list_frames(str(tmp_path)).frames.to_pylist()
    assert row == {
        "video_id": "flip/0002",
        "frame_number": 12,
        "uri": f"{tmp_path}/training/flip/0002_000000012.jpg",
        "label": "flip",
        "split": "train",
        "version": "0 bytes",
        "group": "0002",
    }


def test_one_video_of_two_splits_is_one_video(tmp_path):
    touch(tmp_path, "training/flip/0002_000000012.jpg", "testing/flip/0002_000000013.jpg")
    manifest = list_frames(str(tmp_path))
    assert rows(manifest, "video_id", "split") == [("flip/0002", "train"), ("flip/0002", "test")]
    assert manifest.videos == 1


def test_one_video_id_under_two_labels_is_two_videos(tmp_path):
    touch(tmp_path, "flip/0002_1.jpg", "notflip/0002_1.jpg")
    assert list_frames(str(tmp_path)).videos == 2


def test_a_root_below_the_label_still_knows_it(tmp_path):
    touch(tmp_path, "testing/flip/0002_1.jpg")
    assert rows(list_frames(f"{tmp_path}/testing/flip/"), "video_id", "label", "split") == [
        ("0002", "flip", "test")
    ]


def test_frames_in_remote_storage_are_named_below_their_root():
    fsspec.filesystem("memory").pipe_file("/manifest-test/training/flip/a_1.jpg", b"")
    for uri in ("memory://manifest-test", "memory:///manifest-test/", "memory://manifest-test/**/*.jpg"):
        manifest = list_frames(uri)
        assert rows(manifest, "video_id", "label", "split") == [("flip/a", "flip", "train")]
        assert storage.read(manifest.frames["uri"][0].as_py()) == b""


def test_a_pattern_names_frames_below_its_fixed_part(tmp_path):
    touch(tmp_path, "flip/a_1.jpg", "flip/a_1.png", "book/flip/b_1.jpg")
    assert rows(list_frames(f"{tmp_path}/**/*.jpg"), "video_id") == [("book/flip/b",), ("flip/a",)]
    assert rows(list_frames(f"{tmp_path}/flip/*.jpg"), "video_id", "label") == [("a", "flip")]


def test_a_directory_whose_name_looks_like_a_pattern_is_the_root(tmp_path):
    touch(tmp_path, "[1] flip?/a_1.jpg", "flip/*/b_1.jpg")
    assert rows(list_frames(f"{tmp_path}/[1] flip?"), "video_id") == [("a",)]
    assert rows(list_frames(f"{tmp_path}/flip/*"), "video_id") == [("b",)]


def test_hidden_and_other_files_are_misnamed_with_a_reason(tmp_path):
    touch(tmp_path, "a_1.jpg", "._a_1.jpg", "README.txt", "a.jpg")
    assert [(row["uri"].rpartition("/")[2], row["reason"][:9]) for row in list_misnamed(tmp_path)] == [
        ("._a_1.jpg", "hidden: i"),
        ("README.txt", "not an im"),
        ("a.jpg", "not named"),
    ]


def list_misnamed(root):
    return list_frames(str(root)).misnamed.to_pylist()


def test_a_file_not_named_in_utf_8_is_misnamed(tmp_path):
    touch(tmp_path, "a_1.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff_1.jpg")).touch()
    (row,) = list_misnamed(tmp_path)
    assert row == {
        "uri": rf"{tmp_path}/\udcff_1.jpg",
        "reason": "not named in UTF-8, as paths in tables are",
    }


def test_a_link_to_a_folder_above_is_not_followed_and_a_broken_link_is_a_frame(tmp_path):
    touch(tmp_path, "flip/a_1.jpg")
    (tmp_path / "flip/up").symlink_to(tmp_path)
    (tmp_path / "flip/a_2.jpg").symlink_to("nowhere")
    assert rows(list_frames(str(tmp_path)), "video_id", "frame_number") == [("flip/a", 1), ("flip/a", 2)]


def test_a_missing_directory_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"Can't list .*none: there is no such file, directory or bucket"):
        list_frames(f"{tmp_path}/none")
