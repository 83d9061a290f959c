"""Facts about `flipbatch.frames.manifest_listing`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from fsspec.config import conf as fsspec_settings
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames.manifest import list_frames, read_manifest
from flipbatch.storage import local_files
from flipbatch.storage.directory import Directory, Page
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
        "seconds": None,
        "key_frame": None,
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


def test_folders_that_were_passed_over_are_counted_in_the_notes(tmp_path):
    touch(
        tmp_path, "flip/a_1.jpg", *(f"{name}/flip/a_1.jpg" for name in (".snapshot", "@eaDir", "flip/.cache"))
    )
    (tmp_path / "flip/up").symlink_to(tmp_path)
    manifest = list_frames(str(tmp_path))
    assert rows(manifest, "video_id") == [("flip/a",)]
    assert manifest.notes == (
        "3 hidden or system folders were passed over: .snapshot, @eaDir, flip/.cache.",
        "1 link to a folder that has another name here was passed over: flip/up.",
    )


def test_a_hidden_folder_without_frames_beside_it_is_named(tmp_path):
    touch(tmp_path, ".cache/a_1.jpg")
    with pytest.raises(InputError, match=r"check the path\. 1 hidden or system folder .*: \.cache\.$"):
        list_frames(str(tmp_path))


def test_a_hidden_folder_not_named_in_utf_8_is_counted(tmp_path):
    touch(tmp_path, "a_1.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/.\xff")).mkdir()
    assert list_frames(str(tmp_path)).notes == (r"1 hidden or system folder was passed over: .\udcff.",)


@pytest.mark.parametrize("remotely", [False, True])
def test_one_file_is_one_frame_named_below_its_directory(tmp_path, remote, remotely):
    uri = f"{remote if remotely else tmp_path}/testing/flip/0002_1.jpg"
    storage.write(uri, b"1")
    storage.write(uri.replace("0002_1", "0002_2"), b"1")
    assert rows(list_frames(uri), "video_id", "label", "split", "uri") == [("0002", "flip", "test", uri)]


def test_one_file_that_is_no_frame_is_refused_in_one_sentence(tmp_path):
    touch(tmp_path, "table.csv", "a_1.jpg")
    why = "it is not an image or a film: its extension is"
    with pytest.raises(InputError, match=rf"^/.*/table\.csv is not a frame named .*: {why} \.csv\.$"):
        list_frames(f"{tmp_path}/table.csv")


KEYS = [
    "flip/a_1.jpg",
    "flip//a_1.jpg",
    "/flip/a_1.jpg",
    "//flip///a_1.jpg",
    "./flip/a_1.jpg",
    "x/../a_1.jpg",
]


@pytest.fixture(scope="module")
def bucket(s3_server):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="empty-names")
    for key in (*KEYS, "full/", "flip/.cache/a_1.jpg", "flip//.cache/a_1.jpg"):
        for folder in ("", "f/"):
            client.put_object(Bucket="empty-names", Key=folder + key, Body=key.encode())
    return "s3://empty-names"


@pytest.fixture(params=["flipbatch's client", "s3fs"])
def client(request, s3_server, monkeypatch):
    if request.param == "s3fs":
        monkeypatch.setitem(fsspec_settings, "s3", {"endpoint_url": s3_server})


@pytest.mark.usefixtures("client")
def test_keys_with_empty_names_are_rows_that_are_read_exactly_and_never_one_video(bucket):
    manifest = list_frames(f"{bucket}/f")
    assert sorted(rows(manifest, "video_id", "uri")) == sorted(
        (key.removesuffix("_1.jpg"), f"{bucket}/f/{key}") for key in KEYS
    )
    for uri in manifest.frames["uri"].to_pylist():
        assert storage.read(uri).decode() == uri.removeprefix(f"{bucket}/f/")
    assert manifest.misnamed.to_pylist() == [
        {"uri": f"{bucket}/f/full/", "reason": "without a name: a slash ends its key"}
    ]
    assert "3 frames are in a folder with an empty name (//), which is part of the video_id" in str(
        manifest.notes
    )
    assert "2 hidden or system folders were passed over: " in str(manifest.notes)


@pytest.mark.parametrize(("start", "keys"), [("s3://empty-names/f/", KEYS), ("../f/", KEYS[:4])])
def test_a_table_names_the_same_keys_by_absolute_and_by_relative_uris(bucket, start, keys):
    storage.write(f"{bucket}/tables/t.csv", "\n".join(["uri", *(start + key for key in keys)]).encode())
    manifest = read_manifest(f"{bucket}/tables/t.csv")
    uris = manifest.frames["uri"].to_pylist()
    assert sorted(uris) == sorted(f"{bucket}/f/{key}" for key in keys)
    assert [storage.read(uri).decode() for uri in uris] == [uri.removeprefix(f"{bucket}/f/") for uri in uris]
    assert manifest.videos == len(keys)


@pytest.mark.usefixtures("client")
def test_a_whole_bucket_is_listed_with_keys_that_start_with_a_slash(bucket):
    uris = [*list_frames(bucket).frames["uri"].to_pylist()]
    assert sorted(uris) == sorted(f"{bucket}/{folder}{key}" for key in KEYS for folder in ("", "f/"))


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("pattern", "keys"), [("f//*/*", ["/flip/a_1.jpg"]), ("f/*//*", ["flip//a_1.jpg"]), ("f/**", KEYS)]
)
def test_patterns_find_empty_names(bucket, pattern, keys):
    manifest = list_frames(f"{bucket}/{pattern}")
    assert sorted(manifest.frames["uri"].to_pylist()) == sorted(f"{bucket}/f/{key}" for key in keys)


def test_any_storage_that_finds_files_below_an_empty_name_has_them_as_rows(remote):
    for name in ("flip/a_1.jpg", "/flip/a_1.jpg", "flip//x/a_1.jpg", "/.cache/a_1.jpg"):
        storage.write(f"{remote}/{name}", b"1")
    assert rows(list_frames(remote), "video_id") == [("/flip/a",), ("flip//x/a",), ("flip/a",)]


class BlindStorage(MemoryFileSystem):
    """A storage that names folders of an empty name and finds nothing in them."""

    protocol = "blind"

    def find(self, path, maxdepth=None, withdirs=False, detail=False, **options) -> Any:
        found: Any = super().find(path, maxdepth, withdirs, detail, **options)
        return {name: one for name, one in found.items() if "//" not in name}


def test_a_folder_of_an_empty_name_that_a_storage_can_not_list_is_refused():
    fsspec.register_implementation("blind", BlindStorage, clobber=True)
    for name in ("flip/a_1.jpg", "flip//a_1.jpg"):
        storage.write(f"blind://frames/{name}", b"1")
    with pytest.raises(
        StorageError, match=r"^Can't list blind://frames/flip: it has .*; rename that folder\.$"
    ):
        list_frames("blind://frames")


def test_a_manifest_that_lacks_what_the_storage_listed_is_refused(tmp_path, monkeypatch):
    touch(tmp_path, "a_1.jpg", "a_2.jpg")
    whole = local_files.list_directory
    short = Page([(f"{tmp_path}/a_1.jpg", None)], [], entries=2)
    monkeypatch.setattr(
        local_files, "list_directory", lambda uri: Directory(whole(uri).identity, iter([short]))
    )
    with pytest.raises(StorageError, match=rf"^{tmp_path} lists 2 files, but 1 of them became rows: "):
        list_frames(str(tmp_path))


def test_a_missing_directory_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"Can't list .*none: there is no such file, directory or bucket"):
        list_frames(f"{tmp_path}/none")
