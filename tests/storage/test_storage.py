"""Facts about `flipbatch.storage`, on real files and on fsspec's storage in memory."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import fsspec
import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.storage import local_files, retries, writing
from flipbatch.storage.listing import list_files
from tests.conftest import errors_as_nobody


class HostedStorage(MemoryFileSystem):
    """A storage that is reached through a host, as SFTP is."""

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


class BrokenStorage(MemoryFileSystem):
    """A storage that answers every request with one error."""

    protocol = "broken"
    error: Exception = OSError("the disk is on fire.")

    def _refuse(self, *_, **__):
        raise self.error

    cat_file = pipe_file = info = ls = _refuse


@pytest.fixture
def broken(monkeypatch):
    fsspec.register_implementation("broken", BrokenStorage, clobber=True)
    return lambda error: monkeypatch.setattr(BrokenStorage, "error", error)


# ---------------------------------------------------------------------------------------- spelling


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("/a/b/", "/a/b"),
        ("/a//b/../c", "/a/c"),
        ("file:///a/b", "/a/b"),
        ("local:///a", "/a"),
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
    ("directory", "resolved"), [("/data/manifests", "/data/a.jpg"), ("s3://b/manifests", "s3://b/a.jpg")]
)
def test_a_relative_path_may_lead_up(directory, resolved):
    assert storage.resolve(directory, "../a.jpg") == resolved


# ---------------------------------------------------------------------------------------- filesystems


def test_an_unknown_protocol_is_refused_in_one_sentence():
    for act in (storage.exists, storage.names_in, lambda uri: list(list_files(uri))):
        with pytest.raises(
            InputError, match=r"^nope:// can't be opened here: .* package for this storage\.$"
        ):
            act("nope://x")


def test_a_storage_that_can_not_be_reached_is_a_storage_error():
    with pytest.raises(StorageError, match=r"Can't reach the storage of ftp://.*/x: .*refused"):
        storage.exists("ftp://127.0.0.1:1/x")


def test_a_storage_is_opened_with_the_host_of_its_uri():
    fsspec.register_implementation("hosted", HostedStorage, clobber=True)
    storage.write("hosted://server/hosted-frames/flip/a_1.jpg", b"1")
    assert storage.filesystem("hosted://server/x")[0].host == "server"
    assert [file.uri for file in list_files("hosted://server/hosted-frames")] == [
        "hosted://server/hosted-frames/flip/a_1.jpg"
    ]


# ---------------------------------------------------------------------------------------- read


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


def test_whatever_remote_storage_raises_is_an_os_error_of_its_kind(broken):
    broken(ValueError("no answer\nand a traceback"))
    with pytest.raises(OSError, match=r"^no answer$"):
        storage.read("broken://a")
    broken(PermissionError("Access Denied."))
    with pytest.raises(PermissionError):
        storage.read("broken://a", limit=5)


def test_a_pipe_that_nobody_writes_to_is_empty_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert storage.read(f"{tmp_path}/pipe") == b""


def test_a_pipe_with_a_silent_writer_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    assert storage.read(f"{tmp_path}/pipe") == b""
    os.close(reader)
    os.close(writer)


def test_many_files_come_in_the_order_asked_for(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        uris = [f"{folder}/{i}" for i in range(3 * storage.READS_IN_FLIGHT)]
        for i, uri in enumerate(uris):
            storage.write(uri, str(i).encode())
        assert list(storage.read_many(uris)) == [str(i).encode() for i in range(len(uris))]


def test_a_file_that_can_not_be_read_is_an_error_in_its_place(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        storage.write(f"{folder}/a", b"abc")
        first, second, third = storage.read_many([f"{folder}/a", f"{folder}/none", f"{folder}/a"], limit=2)
        assert (first, third) == (b"ab", b"ab")
        assert isinstance(second, FileNotFoundError)


def test_a_path_that_no_file_can_have_is_an_error_in_its_place():
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
    assert "permission was denied; check the credentials and rights" in error


# ---------------------------------------------------------------------------------------- write


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


def test_what_a_killed_write_left_is_not_listed(tmp_path):
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


# ---------------------------------------------------------------------------------------- look


def test_files_and_directories_exist(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        storage.write(f"{folder}/a/b", b"1")
        assert storage.exists(f"{folder}/a")
        assert storage.exists(f"{folder}/a/b")
        assert not storage.exists(f"{folder}/none")


def test_an_object_stores_placeholder_of_a_directory_is_no_name_in_it(remote, monkeypatch):
    storage.write(f"{remote}/folder/a", b"1")
    ls = MemoryFileSystem.ls
    monkeypatch.setattr(
        MemoryFileSystem, "ls", lambda self, path, detail: [f"{path}/", *ls(self, path, detail=detail)]
    )
    assert storage.names_in(f"{remote}/folder") == ["a"]


def test_names_in_a_directory_are_sorted(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        for name in ("b", "c/d", "a"):
            storage.write(f"{folder}/{name}", b"1")
        assert storage.names_in(folder) == ["a", "b", "c"]
        assert storage.names_in(f"{folder}/none") == []


def test_a_storage_that_does_not_answer_is_a_storage_error(broken):
    broken(OSError("the disk is on fire."))
    for act, word in ((storage.exists, "look at"), (storage.names_in, "list")):
        with pytest.raises(StorageError, match=f"^Can't {word} broken://a: the disk is on fire\\.$"):
            act("broken://a")
    with pytest.raises(StorageError, match=r"^Can't write broken://a: the disk is on fire\.$"):
        storage.write("broken://a", b"1")


# ---------------------------------------------------------------------------------------- say why


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (FileNotFoundError("x"), "there is no such file, directory or bucket"),
        (OSError("An error occurred (NoSuchBucket)"), "there is no such file, directory or bucket"),
        (NotADirectoryError("x"), "it is not a directory"),
        (OSError("Unable to locate credentials"), "no credentials were found; set AWS_ACCESS_KEY_ID .*"),
        (PermissionError("x"), "permission was denied; check the credentials and rights .x."),
        (OSError("error (403): Forbidden"), "permission was denied; .*"),
        (OSError("error (InvalidAccessKeyId) in GetObject"), "permission was denied; .*"),
        (OSError("[Errno 5] Input/output error: '/data/0403_1.jpg'"), ".Errno 5. Input/output error: .*"),
        (ValueError("first.\nsecond"), "first"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_reason_is_a_few_words(error, why):
    assert re.fullmatch(why, storage.reason(error))


def test_a_reason_is_cut_only_where_it_tells_no_credentials():
    text = "x" * (300 - len("sftp://u:topsec")) + "sftp://u:topsecret@host/file"
    assert "topsec" not in storage.reason(ValueError(text))


def test_a_files_digest_is_that_of_its_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"page" * 100_000)
    expected = hashlib.sha256(b"page" * 100_000).hexdigest()
    assert storage.digest(str(tmp_path / "x"), "the file") == expected


def test_a_digest_of_nothing_says_what_is_missing(tmp_path):
    with pytest.raises(StorageError, match=r"Can't read the manifest .*/x: there is no such file"):
        storage.digest(f"{tmp_path}/x", "the manifest")


# ---------------------------------------------------------------------------------------- create, try again


@pytest.mark.parametrize("folder", ["local", "memory"])
def test_of_two_who_create_a_file_one_does(tmp_path, folder):
    uri = f"{tmp_path}/new/file" if folder == "local" else f"memory://{tmp_path.name}/file"
    assert storage.create(uri, b"one")
    assert not storage.create(uri, b"other")
    assert storage.read(uri) == b"one"
    assert storage.names_in(uri.rpartition("/")[0]) == ["file"]


def test_of_many_who_create_a_file_at_once_one_does(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda i: storage.create(f"{tmp_path}/file", b"%d" % i), range(64)))
    assert sum(done) == 1
    assert storage.read(f"{tmp_path}/file") == b"%d" % done.index(True)


def refusing(*_, **__):
    raise OSError(errno.EPERM, "no such thing here")


def test_without_hard_links_a_file_is_created_all_the_same_and_never_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refusing)
    assert storage.create(f"{tmp_path}/file", b"1")
    assert not storage.create(f"{tmp_path}/file", b"2")
    assert storage.read(f"{tmp_path}/file") == b"1"
    assert os.listdir(tmp_path) == ["file"]


def test_without_conditional_requests_too(remote, monkeypatch):
    pipe_file = MemoryFileSystem.pipe_file

    def plain(self, path, data, mode="overwrite"):
        return refusing() if mode == "create" else pipe_file(self, path, data)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", plain)
    assert storage.create(f"{remote}/file", b"1")
    assert not storage.create(f"{remote}/file", b"2")
    assert storage.read(f"{remote}/file") == b"1"


def test_a_storage_that_refuses_to_replace_is_not_looked_at_before(monkeypatch):
    storage.create("memory://refusing/first", b"1")
    monkeypatch.setattr(MemoryFileSystem, "info", None)
    assert storage.create("memory://refusing/second", b"2")


@pytest.mark.usefixtures("s3_server")
def test_s3_is_known_to_refuse():
    s3fs.S3FileSystem().mkdir("refusing")
    assert storage.create("s3://refusing/first", b"1")
    assert writing._never_replaces["s3://refusing"]
    assert not storage.create("s3://refusing/first", b"2")
    assert storage.read("s3://refusing/first") == b"1"


def test_where_a_server_passes_over_the_condition_what_is_there_stays(remote, monkeypatch):
    pipe_file = MemoryFileSystem.pipe_file
    monkeypatch.setattr(
        MemoryFileSystem, "pipe_file", lambda self, path, data, **_: pipe_file(self, path, data)
    )
    assert storage.create(f"{remote}/file", b"1")
    assert not storage.create(f"{remote}/file", b"2")
    assert storage.read(f"{remote}/file") == b"1"


def test_a_name_with_wildcards_is_removed_alone(remote):
    for name in ("run[1]/a", "run1/a", "run*/a"):
        storage.write(f"{remote}/{name}", b"")
    storage.remove_file(f"{remote}/run[1]/a")
    storage.remove_folder(f"{remote}/run*")
    assert [file.uri for file in list_files(remote)] == [f"{remote}/run1/a"]


def test_what_is_not_there_is_removed_already(remote, tmp_path):
    for folder in (remote, str(tmp_path)):
        storage.remove_file(f"{folder}/none")
        storage.remove_folder(f"{folder}/none")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.01)
    storage.take_retries()


@pytest.fixture
def reading(impatient, monkeypatch):
    """Let the first tries to read end in these errors; pauses are short."""
    errors, local_read = [], local_files.read

    def read(*arguments):
        if errors:
            raise errors.pop(0)
        return local_read(*arguments)

    monkeypatch.setattr(local_files, "read", read)
    return errors


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), OSError(errno.ESTALE, "stale")])
def test_what_may_pass_is_tried_again_and_counted(reading, tmp_path, error):
    storage.write(f"{tmp_path}/file", b"data")
    reading += [error] * 3
    assert storage.read(f"{tmp_path}/file") == b"data"
    assert [storage.take_retries(), storage.take_retries()] == [3, 0]


@pytest.mark.parametrize("error", [PermissionError(), FileNotFoundError(), OSError(errno.EIO, "bad sector")])
def test_what_stays_is_not_tried_again(reading, tmp_path, error):
    reading.append(error)
    with pytest.raises(type(error)):
        storage.read(f"{tmp_path}/file")
    assert storage.take_retries() == 0


def test_it_is_tried_again_for_a_bounded_time(reading, tmp_path, monkeypatch):
    monkeypatch.setattr(retries, "RETRIED_FOR_SECONDS", 0.05)
    reading += [ConnectionResetError("reset")] * 1000
    with pytest.raises(ConnectionResetError):
        storage.read(f"{tmp_path}/file")
    assert 3 < storage.take_retries() < 100


class TroubledStorage(MemoryFileSystem):
    """A storage of which every other request fails."""

    protocol = "troubled"
    requests = count()

    def _or_fail(self, act, *arguments, **options):
        if next(self.requests) % 2 == 0:
            raise ConnectionResetError("reset")
        return act(*arguments, **options)

    def cat_file(self, path, *arguments, **options):
        return self._or_fail(super().cat_file, path, *arguments, **options)

    def pipe_file(self, path, value, *arguments, **options):
        return self._or_fail(super().pipe_file, path, value, *arguments, **options)

    def info(self, path, **options):
        return self._or_fail(super().info, path, **options)

    def ls(self, path, *arguments, **options):
        return self._or_fail(super().ls, path, *arguments, **options)

    def rm_file(self, path):
        return self._or_fail(super().rm_file, path)


@pytest.mark.usefixtures("impatient")
def test_whatever_is_asked_of_a_storage_is_asked_again():
    fsspec.register_implementation("troubled", TroubledStorage, clobber=True)
    folder = "troubled://troubled"
    storage.write(f"{folder}/a", b"1")
    assert storage.create(f"{folder}/b", b"2")
    assert storage.exists(f"{folder}/a")
    assert storage.names_in(folder) == ["a", "b"]
    assert storage.read(f"{folder}/a") == b"1"
    assert [file.uri for file in list_files(folder)] == [f"{folder}/a", f"{folder}/b"]
    storage.remove_file(f"{folder}/a")
    storage.remove_folder(folder)
    assert not storage.exists(f"{folder}/b")
    assert storage.take_retries() >= 8


def test_a_version_is_held_against_whatever_storage_tells_one(remote, monkeypatch):
    storage.write(f"{remote}/a", b"1")
    info = MemoryFileSystem.info
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path: info(self, path) | {"ETag": "new"})
    assert storage.read(f"{remote}/a", version="new") == b"1"
    with pytest.raises(storage.ReplacedError, match="it was old and is new"):
        storage.read(f"{remote}/a", version="old")
