"""Facts about `flipbatch.storage.reading`, on real files and on fsspec's storage in memory."""

from __future__ import annotations

import hashlib
import os
from itertools import count

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from flipbatch import storage
from flipbatch.errors import StorageError
from tests.conftest import errors_as_nobody
from tests.storage.conftest import BrokenStorage


def test_a_file_is_read_whole_or_its_first_bytes(tmp_path, remote):
    for uri in (f"{tmp_path}/a", f"{remote}/a"):
        storage.write(uri, b"0123456789")
        assert storage.read(uri) == b"0123456789"
        assert storage.read(uri, limit=4) == b"0123"
        assert storage.read(uri, limit=99) == b"0123456789"


def test_an_empty_file_is_empty_under_any_limit(tmp_path, remote):
    for uri in (f"{tmp_path}/empty", f"{remote}/empty"):
        storage.write(uri, b"")
        assert storage.read(uri) == storage.read(uri, limit=5) == b""


def test_an_empty_object_whose_range_is_refused_is_empty(broken, monkeypatch):
    broken(ValueError("InvalidRange"))
    monkeypatch.setattr(BrokenStorage, "info", lambda *_: {"size": 0})
    assert storage.read("broken://a", limit=5) == b""


def test_a_missing_file_is_file_not_found_on_any_storage(tmp_path, remote):
    for uri in (f"{tmp_path}/none", f"{remote}/none"):
        with pytest.raises(FileNotFoundError):
            storage.read(uri, limit=5)


def test_any_error_of_remote_storage_is_an_os_error(broken):
    broken(ValueError("no answer\nand a traceback"))
    with pytest.raises(OSError, match=r"^no answer$"):
        storage.read("broken://a")
    broken(PermissionError("Access Denied."))
    with pytest.raises(PermissionError):
        storage.read("broken://a", limit=5)


def test_a_pipe_without_a_writer_is_empty_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert storage.read(f"{tmp_path}/pipe") == b""


def test_a_pipe_with_a_silent_writer_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    assert storage.read(f"{tmp_path}/pipe") == b""
    os.close(reader)
    os.close(writer)


def test_many_files_come_in_the_given_order(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        uris = [f"{folder}/{i}" for i in range(3 * storage.READS_IN_FLIGHT)]
        for i, uri in enumerate(uris):
            storage.write(uri, str(i).encode())
        assert list(storage.read_many(uris)) == [str(i).encode() for i in range(len(uris))]


def test_an_unreadable_file_is_an_error_in_its_place(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        storage.write(f"{folder}/a", b"abc")
        first, second, third = storage.read_many([f"{folder}/a", f"{folder}/none", f"{folder}/a"], limit=2)
        assert (first, third) == (b"ab", b"ab")
        assert isinstance(second, FileNotFoundError)


def test_an_impossible_path_is_an_error_in_its_place():
    results = list(storage.read_many(["/a\0b_1.jpg", "nope://a_1.jpg"]))
    assert [type(result) for result in results] == [OSError, OSError]


def test_reading_no_files_gives_nothing():
    assert list(storage.read_many([])) == []


def test_few_remote_files_are_held_at_a_time(remote):
    storage.write(f"{remote}/a", b"1")
    asked = count()
    read = storage.read_many(f"{remote}/a" for _ in iter(lambda: next(asked) == 10_000, True))
    next(read)
    del read
    assert next(asked) <= storage.READS_IN_FLIGHT + 1


def test_a_required_file_that_is_missing_says_what_it_is(tmp_path):
    with pytest.raises(StorageError, match=rf"^Can't read the list {tmp_path}/x: there is no such file"):
        storage.read_required(f"{tmp_path}/x", "the list")


def test_a_file_without_permission_says_so(public_folder):
    (public_folder / "secret").write_bytes(b"1")
    (public_folder / "secret").chmod(0)
    error = errors_as_nobody(f"storage.read_required({str(public_folder / 'secret')!r}, 'the list')")
    assert "Can't read the list" in error
    assert "permission was denied; check its permissions (" in error


def test_a_files_digest_is_that_of_its_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"page" * 100_000)
    expected = hashlib.sha256(b"page" * 100_000).hexdigest()
    assert storage.digest(str(tmp_path / "x"), "the file") == expected


def test_a_digest_of_a_missing_file_says_what_is_missing(tmp_path):
    with pytest.raises(StorageError, match=r"Can't read the manifest .*/x: there is no such file"):
        storage.digest(f"{tmp_path}/x", "the manifest")


def test_a_version_is_compared_with_the_etag_of_any_storage(remote, monkeypatch):
    storage.write(f"{remote}/a", b"1")
    info = MemoryFileSystem.info
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path: info(self, path) | {"ETag": "new"})
    assert storage.read(f"{remote}/a", version="new") == b"1"
    with pytest.raises(storage.ReplacedError, match="it was old and is new"):
        storage.read(f"{remote}/a", version="old")
