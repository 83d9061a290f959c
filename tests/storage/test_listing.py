"""Facts about `flipbatch.storage.listing`, on real files and on fsspec's storage in memory."""

from __future__ import annotations

import os

import pytest

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.storage.listing import LISTINGS_IN_FLIGHT, ListedFile, list_files, open_listing
from tests.conftest import errors_as_nobody

TREE = ("a_1.jpg", "flip/b_1.jpg", "flip/deep/c_1.jpg", "notflip/b_1.jpg", "notflip/.hidden", "x.txt")


@pytest.fixture(params=["local", "remote"])
def tree(request, tmp_path, remote):
    folder = str(tmp_path) if request.param == "local" else remote
    for name in TREE:
        storage.write(f"{folder}/{name}", b"1")
    return folder


def listed(folder, pattern=""):
    uri = f"{folder}/{pattern}" if pattern else folder
    return sorted(file.uri.removeprefix(f"{folder}/") for file in list_files(uri))


def test_every_file_below_a_directory_is_listed_once(tree):
    assert listed(tree) == sorted(TREE)


def test_listed_uris_can_be_read(tree):
    assert all(storage.read(uri, version=version) == b"1" for uri, version in list_files(tree))


def test_a_local_file_of_another_size_than_was_listed_is_refused(tmp_path):
    storage.write(f"{tmp_path}/a", b"123")
    (file,) = list_files(str(tmp_path))
    assert storage.read(file.uri, version=file.version) == b"123"
    storage.write(file.uri, b"12")
    with pytest.raises(storage.ReplacedError, match="it was 3 bytes and is 2 bytes"):
        storage.read(file.uri, version=file.version)


def test_a_link_that_leads_nowhere_is_listed_without_a_version(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    assert list(list_files(str(tmp_path))) == [ListedFile(f"{tmp_path}/link", None)]


def test_a_listing_has_the_same_order_every_time(tree):
    assert list(list_files(tree)) == list(list_files(tree))


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.jpg", ["a_1.jpg"]),
        ("*/*.jpg", ["flip/b_1.jpg", "notflip/b_1.jpg"]),
        ("**/*.jpg", ["a_1.jpg", "flip/b_1.jpg", "flip/deep/c_1.jpg", "notflip/b_1.jpg"]),
        ("flip/**", ["flip/b_1.jpg", "flip/deep/c_1.jpg"]),
        ("fl?p/*", ["flip/b_1.jpg"]),
        ("[fn]*/[!.]*.jpg", ["flip/b_1.jpg", "notflip/b_1.jpg"]),
        ("*/deep/*", ["flip/deep/c_1.jpg"]),
        ("*/nothing/*", []),
    ],
)
def test_a_glob_pattern_lists_the_files_that_match(tree, pattern, files):
    assert listed(tree, pattern) == files


def test_a_pattern_skips_directories_that_can_not_match(public_folder):
    storage.write(f"{public_folder}/flip/a_1.jpg", b"1")
    (public_folder / "secret").mkdir(mode=0)
    (public_folder / "flip").chmod(0o755)
    assert errors_as_nobody(f"assert len(list(listing.list_files('{public_folder}/flip*/*.jpg'))) == 1") == ""


def test_a_malformed_pattern_is_refused(tmp_path):
    with pytest.raises(StorageError, match=r"Can't list .*/a\*\*/b: Invalid pattern"):
        list(list_files(f"{tmp_path}/a**/b"))


def test_a_directory_whose_name_looks_like_a_pattern_is_a_directory(tree):
    storage.write(f"{tree}/[x]/d_1.jpg", b"1")
    assert listed(f"{tree}/[x]") == ["d_1.jpg"]
    assert open_listing(f"{tree}/[x]").root == f"{tree}/[x]"


def test_a_pattern_starts_from_the_directory_before_its_first_wildcard():
    assert open_listing("/data/*/flip/a?.jpg").root == "/data"
    assert open_listing("/*.jpg").root == "/"
    assert open_listing("memory://*.jpg").root == "memory://"
    assert open_listing("/data/frames").root == "/data/frames"


def test_the_root_of_a_storage_can_be_listed(remote):
    storage.write(f"{remote}/a", b"1")
    assert ListedFile(f"{remote}/a", None) in list(list_files("memory://"))


def test_linked_files_are_listed_in_directories_and_by_patterns(tmp_path):
    storage.write(f"{tmp_path}/store/data", b"1")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/a_1.jpg").symlink_to(tmp_path / "store/data")
    assert listed(f"{tmp_path}/frames") == listed(f"{tmp_path}/frames", "*.jpg") == ["a_1.jpg"]


def test_a_link_that_leads_back_up_ends(tmp_path):
    storage.write(f"{tmp_path}/flip/a_1.jpg", b"1")
    (tmp_path / "flip/up").symlink_to(tmp_path)
    assert listed(str(tmp_path)) == listed(str(tmp_path), "**") == ["flip/a_1.jpg"]


def test_a_directory_with_several_names_is_listed_under_the_shortest_then_the_first(tmp_path):
    storage.write(f"{tmp_path}/deep/er/a_1.jpg", b"1")
    for name in "hcfbadge":
        (tmp_path / name).symlink_to(tmp_path / "deep/er")
    assert listed(str(tmp_path)) == ["a/a_1.jpg"]


def test_a_link_that_is_broken_leads_to_itself_or_below_a_file_is_a_file(tmp_path):
    (tmp_path / "gone_1.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self_1.jpg").symlink_to("self_1.jpg")
    (tmp_path / "under_1.jpg").symlink_to("gone.txt/under_1.jpg")
    (tmp_path / "gone.txt").touch()
    assert listed(str(tmp_path)) == ["gone.txt", "gone_1.jpg", "self_1.jpg", "under_1.jpg"]


def test_an_empty_directory_has_no_files(tmp_path):
    assert listed(str(tmp_path)) == []


def test_more_directories_than_threads_are_all_listed(tmp_path):
    names = [f"{i:03d}/a_1.jpg" for i in range(5 * LISTINGS_IN_FLIGHT)]
    for name in names:
        storage.write(f"{tmp_path}/{name}", b"")
    assert listed(str(tmp_path)) == names


@pytest.mark.parametrize("name", ["a_1.jpg", "[x]*_1.jpg", "x.txt"])
def test_a_file_is_listed_alone_below_its_directory(tree, name):
    storage.write(f"{tree}/{name}", b"1")
    storage.write(f"{tree}/x_1.jpg", b"1")
    assert listed(tree, name) == [name]
    assert open_listing(f"{tree}/{name}").root == tree


def test_a_file_at_the_top_of_a_storage_is_listed():
    storage.write("memory://top_1.jpg", b"1")
    listing = open_listing("memory://top_1.jpg")
    assert (listing.root, list(listing.files())) == ("memory://", [ListedFile("memory://top_1.jpg", None)])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "there is no such file, directory or bucket"),
        ("file/below", "it is not a directory"),
        ("pipe", "it is not a directory"),
    ],
)
def test_what_is_neither_file_nor_directory_can_not_be_listed(tmp_path, name, why):
    storage.write(f"{tmp_path}/file", b"1")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match=rf"^Can't list {tmp_path}/{name}: {why}\.$"):
        list(list_files(f"{tmp_path}/{name}"))


@pytest.mark.parametrize("pattern", ["", "/*/*.jpg"])
def test_one_directory_without_permission_refuses_the_whole_listing(public_folder, pattern):
    storage.write(f"{public_folder}/open/a_1.jpg", b"1")
    (public_folder / "secret").mkdir(mode=0)
    error = errors_as_nobody(f"list(listing.list_files({str(public_folder) + pattern!r}))")
    assert f"Can't list {public_folder}{pattern}: permission was denied" in error
    assert f"{public_folder}/secret" in error
    assert "make it readable (chmod +rx), or give a glob pattern that does not match its name" in error


def test_both_ways_out_of_a_folder_without_permission_work(public_folder):
    storage.write(f"{public_folder}/open/a_1.jpg", b"1")
    (public_folder / "open").chmod(0o755)
    (public_folder / "secret").mkdir(mode=0)
    assert errors_as_nobody(f"assert len(list(listing.list_files('{public_folder}/[!s]*/*.jpg'))) == 1") == ""
    (public_folder / "secret").chmod(0o755)
    assert errors_as_nobody(f"assert len(list(listing.list_files('{public_folder}'))) == 1") == ""


def test_a_link_to_where_one_may_not_look_is_a_file_if_it_has_an_extension(public_folder):
    (public_folder / "secret").mkdir(mode=0)
    (public_folder / "open").mkdir()
    (public_folder / "open/a_1.jpg").symlink_to(public_folder / "secret/a_1.jpg")
    (public_folder / "open/older").symlink_to(public_folder / "secret/older")
    assert errors_as_nobody(f"assert len(list(listing.list_files('{public_folder}/open/*.jpg'))) == 1") == ""
    error = errors_as_nobody(f"list(listing.list_files('{public_folder}/open'))")
    assert f"Can't list {public_folder}/open: permission was denied for {public_folder}/open/older" in error
