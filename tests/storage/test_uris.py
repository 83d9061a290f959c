"""Facts about URIs, and the fsspec filesystem of each."""

from __future__ import annotations

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.storage.listing import list_files
from flipbatch.storage.uris import parent, start_of_names


class HostedStorage(MemoryFileSystem):
    """A storage with a host, like SFTP."""

    protocol = "hosted"
    cachable = False

    def __init__(self, host, **options):
        super().__init__(**options)
        self.host = host

    @staticmethod
    def _get_kwargs_from_urls(path):
        return {"host": path.split("/")[2]}

    @classmethod
    def _strip_protocol(cls, path):
        without_protocol = path.removeprefix("hosted://")
        return "/" + without_protocol.partition("/")[2] if without_protocol != path else path


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("/a/b/", "/a/b"),
        ("/a//b/../c", "/a/c"),
        ("file:///a/b", "/a/b"),
        ("local:///a", "/a"),
        ("file:/a/b/", "/a/b"),
        ("FILE:///a/b", "/a/b"),
        ("file://localhost/a/b", "/a/b"),
        ("file://LocalHost/a", "/a"),
        ("S3://Bucket/A", "s3://Bucket/A"),
        ("MEMORY://a", "memory://a"),
        ("/a/b:/c", "/a/b:/c"),
        ("/", "/"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b//", "s3://bucket/a/b"),
        ("memory://", "memory://"),
    ],
)
def test_a_uri_has_one_spelling(uri, normal):
    assert storage.normalise(uri) == normal


def test_a_relative_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.normalise("frames") == f"{tmp_path}/frames"


def test_a_tilde_is_the_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert storage.normalise("~/frames") == "/home/someone/frames"


@pytest.mark.parametrize("uri", ["dbfs:/x", "hdfs:/x/y", "s3:/bucket/x", "GS:/b"])
def test_a_uri_with_one_slash_is_refused(uri):
    scheme = uri.partition(":")[0]
    with pytest.raises(InputError, match=f"{uri} has one slash after {scheme}: .*write {scheme.lower()}://…"):
        storage.normalise(uri)
    assert storage.normalise(f"./{uri}").endswith(f"/{uri}")


@pytest.mark.parametrize("path", ["a:b/x_1.jpg", "a:/x", "ab:c", "x/ab:/c", "2026-11:/x"])
def test_a_colon_in_another_place_is_a_part_of_a_relative_path(path):
    assert storage.is_relative(path)
    assert storage.normalise(path).endswith(f"/{path}")


def test_an_empty_path_is_refused():
    with pytest.raises(InputError, match="An empty path was given"):
        storage.normalise("")


@given(st.text(min_size=1))
def test_normalising_twice_changes_nothing(uri):
    once = storage.normalise(uri)
    assert storage.normalise(once) == once


@pytest.mark.parametrize("directory", ["/", "/a", "/a/", "s3://bucket", "memory://"])
def test_joining_appends_components(directory):
    assert storage.join(directory, "b", "c").endswith("b/c")
    assert storage.normalise(storage.join(directory, "b")) == storage.join(directory, "b")


@pytest.mark.parametrize(
    ("directory", "resolved"),
    [
        ("/data/manifests", "/data/a.jpg"),
        ("/", "/a.jpg"),
        ("s3://b/manifests", "s3://b/a.jpg"),
        ("s3://b/f//manifests", "s3://b/f//a.jpg"),
        ("memory://manifests", "memory://a.jpg"),
        ("memory:///manifests", "memory:///a.jpg"),
    ],
)
def test_a_relative_path_may_lead_up(directory, resolved):
    assert storage.resolve(directory, "../a.jpg") == resolved


@pytest.mark.parametrize("directory", ["/data", "s3://b/f", "s3://b/f/", "memory://"])
def test_a_relative_path_stays_below_its_directory_as_it_is_written(directory):
    for path in ("./a.jpg", "flip//a.jpg", "x/./../a.jpg"):
        expected = {"flip//a.jpg": path}.get(path, "a.jpg")
        assert storage.resolve(directory, path) == start_of_names(directory) + expected


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("s3://b/f//a_1.jpg", "s3://b/f//a_1.jpg"),
        ("s3://b/full/", "s3://b/full/"),
        ("s3://b/full//", "s3://b/full//"),
        ("/data//a_1.jpg/", "/data/a_1.jpg"),
    ],
)
def test_a_slash_at_the_end_of_a_remote_file_is_a_part_of_its_name(uri, normal):
    assert storage.normalise_file(uri) == normal


@pytest.mark.parametrize(
    ("uri", "directory"),
    [("/a", "/"), ("/a/b", "/a"), ("s3://b/a//c", "s3://b/a/"), ("memory://a", "memory://")],
)
def test_a_file_lies_in_its_parent(uri, directory):
    assert parent(uri) == directory
    assert uri.removeprefix(start_of_names(directory)) == uri.rpartition("/")[2]


def test_an_unknown_protocol_is_refused_in_one_sentence():
    for act in (storage.exists, storage.names_in, lambda uri: list(list_files(uri))):
        with pytest.raises(
            InputError, match=r"^nope:// can't be opened here: .* package for this storage\.$"
        ):
            act("nope://x")


def test_an_unreachable_storage_is_a_storage_error():
    with pytest.raises(StorageError, match=r"Can't reach the storage of ftp://.*/x: .*refused"):
        storage.exists("ftp://127.0.0.1:1/x")


def test_a_storage_is_opened_with_the_host_of_its_uri():
    fsspec.register_implementation("hosted", HostedStorage, clobber=True)
    storage.write("hosted://server/hosted-frames/flip/a_1.jpg", b"1")
    assert storage.filesystem("hosted://server/x")[0].host == "server"
    assert [file.uri for file in list_files("hosted://server/hosted-frames")] == [
        "hosted://server/hosted-frames/flip/a_1.jpg"
    ]
