"""Facts about `flipbatch.frames.table_uris`."""

from __future__ import annotations

import pytest

from flipbatch.errors import InputError
from flipbatch.frames.manifest import read_manifest
from tests.frames.manifests import csv, rows, touch


def read(tmp_path, *lines):
    (row,) = read_manifest(csv(tmp_path, *lines)).frames.to_pylist()
    return row


@pytest.mark.parametrize("start", ["file:", "FILE://", "file://localhost", "File://LOCALHOST"])
def test_all_spellings_of_a_local_file_are_one_file(tmp_path, start):
    assert read(tmp_path, "uri", f"{start}{tmp_path}/a_1.jpg")["uri"] == f"{tmp_path}/a_1.jpg"
    with pytest.raises(InputError, match="more than one row of"):
        read_manifest(csv(tmp_path, "uri", "a_1.jpg", f"{start}{tmp_path}/a_1.jpg"))


def test_the_case_of_a_protocol_does_not_matter(tmp_path):
    with pytest.raises(InputError, match="more than one row of s3://B/a_1"):
        read_manifest(csv(tmp_path, "uri", "s3://B/a_1.jpg", "S3://B/a_1.jpg"))


def test_a_uri_with_one_slash_is_refused_and_a_colon_is_not(tmp_path):
    with pytest.raises(InputError, match=r"dbfs:/x/a_1\.jpg has one slash after dbfs:"):
        read_manifest(csv(tmp_path, "uri", "dbfs:/x/a_1.jpg"))
    assert read(tmp_path, "uri", "ab:c/a_1.jpg")["uri"] == f"{tmp_path}/ab:c/a_1.jpg"


@pytest.mark.parametrize(
    "uri",
    [
        *(r"C:\data\0001_1.jpg", "d:/data/0001_1.jpg", r"\\server\share\0001_1.jpg", "file:///C:/0001_1.jpg"),
        *("file:///C|/0001_1.jpg", "/C:/0001_1.jpg", "file:/c:/0001_1.jpg", r"s3://b\flip\0001_1.jpg"),
    ],
)
def test_a_windows_path_is_refused(tmp_path, uri):
    with pytest.raises(InputError, match="is a Windows path: write paths with /"):
        read_manifest(csv(tmp_path, "uri", "a_1.jpg", uri))


@pytest.mark.parametrize("uri", [r"flip\0001_1.jpg", r"/mnt/flip\0001_1.jpg"])
def test_a_backslash_is_refused_where_there_is_no_such_file(tmp_path, uri):
    with pytest.raises(InputError, match="has a backslash, as paths of Windows, and is no file"):
        read_manifest(csv(tmp_path, "uri", "a_1.jpg", uri))


def test_each_uri_with_a_backslash_or_a_drive_letter_is_looked_for(tmp_path):
    touch(tmp_path, "flip\\0001_1.jpg", "a:b/c_1.jpg")
    uris = ["flip\\0001_1.jpg", "a:b/c_1.jpg"]
    assert len(rows(read_manifest(csv(tmp_path, "uri", *uris)), "uri")) == 2
    with pytest.raises(InputError, match="has a backslash, as paths of Windows, and is no file"):
        read_manifest(csv(tmp_path, "uri", *uris, "flip\\0002_1.jpg"))
    with pytest.raises(InputError, match=r"c:frames/x_1\.jpg has a drive letter, as paths of Windows"):
        read_manifest(csv(tmp_path, "uri", *uris, "c:frames/x_1.jpg"))


def test_a_file_may_have_a_backslash_in_its_name(tmp_path):
    touch(tmp_path, "flip\\0001_1.jpg")
    assert read(tmp_path, "uri", "flip\\0001_1.jpg")["video_id"] == "flip\\0001"


@pytest.mark.parametrize("line", ["flip, a_1.jpg", "flip,a_1.jpg "])
def test_a_uri_with_blanks_around_it_is_refused(tmp_path, line):
    with pytest.raises(InputError, match=r"uri ' ?a_1.jpg ?' starts or ends with a blank"):
        read_manifest(csv(tmp_path, "label,uri", line))
