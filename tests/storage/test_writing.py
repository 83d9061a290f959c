"""Facts about `flipbatch.storage.writing`, on real files and on fsspec's storage in memory."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.storage import writing
from flipbatch.storage.listing import list_files


def test_a_written_file_replaces_the_old_one_and_its_folders_are_made(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        uri = f"{folder}/a/b/c"
        storage.write(uri, b"old")
        storage.write(uri, b"new")
        assert storage.read(uri) == b"new"


def test_a_written_file_is_readable_by_others_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    storage.write(f"{tmp_path}/a", b"1")
    os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_writing_leaves_no_temporary(tmp_path):
    storage.write(f"{tmp_path}/a", b"1")
    assert os.listdir(tmp_path) == ["a"]


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    storage.write(f"{tmp_path}/a", b"old")

    def full_disk(_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageError, match=rf"^Can't write {tmp_path}/a: No space left on device\.$"):
        storage.write(f"{tmp_path}/a", b"new")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_reader_never_sees_a_part(tmp_path):
    uri, versions = f"{tmp_path}/a", [bytes([i]) * 300_000 for i in range(20)]
    storage.write(uri, versions[0])
    writer = threading.Thread(target=lambda: [storage.write(uri, version) for version in versions])
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(storage.read(uri))
    writer.join()
    assert all(data in versions for data in seen)


def test_the_temporary_file_of_a_killed_write_is_not_listed(tmp_path):
    program = (
        "import os; from flipbatch import storage\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        f"storage.write({str(tmp_path / 'run.json')!r}, b'1')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    assert len(os.listdir(tmp_path)) == 1
    assert storage.names_in(str(tmp_path)) == []


def test_a_file_can_not_be_written_below_a_file(tmp_path, remote):
    storage.write(f"{tmp_path}/a", b"1")
    with pytest.raises(StorageError, match=rf"Can't write {tmp_path}/a/b: "):
        storage.write(f"{tmp_path}/a/b", b"1")


@pytest.mark.parametrize("folder", ["local", "memory"])
def test_a_file_is_created_once(tmp_path, folder):
    uri = f"{tmp_path}/new/file" if folder == "local" else f"memory://{tmp_path.name}/file"
    assert storage.create(uri, b"one")
    assert not storage.create(uri, b"other")
    assert storage.read(uri) == b"one"
    assert storage.names_in(uri.rpartition("/")[0]) == ["file"]


def test_a_file_is_created_once_by_many_threads(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda i: storage.create(f"{tmp_path}/file", b"%d" % i), range(64)))
    assert sum(done) == 1
    assert storage.read(f"{tmp_path}/file") == b"%d" % done.index(True)


def refusing(*_, **__):
    raise OSError(errno.EPERM, "no such thing here")


def test_without_hard_links_a_file_is_created_and_never_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refusing)
    assert storage.create(f"{tmp_path}/file", b"1")
    assert not storage.create(f"{tmp_path}/file", b"2")
    assert storage.read(f"{tmp_path}/file") == b"1"
    assert os.listdir(tmp_path) == ["file"]


def test_without_conditional_requests_a_file_is_created_and_never_replaced(remote, monkeypatch):
    pipe_file = MemoryFileSystem.pipe_file

    def plain(self, path, data, mode="overwrite"):
        return refusing() if mode == "create" else pipe_file(self, path, data)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", plain)
    assert storage.create(f"{remote}/file", b"1")
    assert not storage.create(f"{remote}/file", b"2")
    assert storage.read(f"{remote}/file") == b"1"


def test_a_storage_known_to_refuse_gets_no_request_before_a_create(monkeypatch):
    storage.create("memory://refusing/first", b"1")
    monkeypatch.setattr(MemoryFileSystem, "info", None)
    assert storage.create("memory://refusing/second", b"2")


@pytest.mark.usefixtures("s3_server")
def test_s3_is_found_to_refuse():
    s3fs.S3FileSystem().mkdir("refusing")
    assert storage.create("s3://refusing/first", b"1")
    assert writing._never_replaces["s3://refusing"]
    assert not storage.create("s3://refusing/first", b"2")
    assert storage.read("s3://refusing/first") == b"1"


def test_an_existing_file_stays_if_the_server_ignores_the_condition(remote, monkeypatch):
    pipe_file = MemoryFileSystem.pipe_file
    monkeypatch.setattr(
        MemoryFileSystem, "pipe_file", lambda self, path, data, **_: pipe_file(self, path, data)
    )
    assert storage.create(f"{remote}/file", b"1")
    assert not storage.create(f"{remote}/file", b"2")
    assert storage.read(f"{remote}/file") == b"1"


def test_a_name_with_wildcards_is_not_a_pattern_for_removal(remote):
    for name in ("run[1]/a", "run1/a", "run*/a"):
        storage.write(f"{remote}/{name}", b"")
    storage.remove_file(f"{remote}/run[1]/a")
    storage.remove_folder(f"{remote}/run*")
    assert [file.uri for file in list_files(remote)] == [f"{remote}/run1/a"]


def test_a_missing_file_is_removed_already(remote, tmp_path):
    for folder in (remote, str(tmp_path)):
        storage.remove_file(f"{folder}/none")
        storage.remove_folder(f"{folder}/none")
