"""Facts about retries, and about the reasons in error messages."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import textwrap
from itertools import count

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from flipbatch import storage
from flipbatch.storage import local_files, retries
from flipbatch.storage.listing import list_files
from flipbatch.storage.s3_errors import SlowDownError


@pytest.fixture
def reading(impatient, monkeypatch):
    """Let the first attempts to read end in these errors; pauses are short."""
    errors, local_read = [], local_files.read

    def read(*arguments):
        if errors:
            raise errors.pop(0)
        return local_read(*arguments)

    monkeypatch.setattr(local_files, "read", read)
    return errors


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), OSError(errno.ESTALE, "stale")])
def test_an_error_that_may_pass_is_retried_and_counted(reading, tmp_path, error):
    storage.write(f"{tmp_path}/file", b"data")
    reading += [error] * 3
    assert storage.read(f"{tmp_path}/file") == b"data"
    assert [storage.take_retries(), storage.take_retries()] == [3, 0]


@pytest.mark.parametrize("error", [PermissionError(), FileNotFoundError(), OSError(errno.EIO, "bad sector")])
def test_a_permanent_error_is_not_retried(reading, tmp_path, error):
    reading.append(error)
    with pytest.raises(type(error)):
        storage.read(f"{tmp_path}/file")
    assert storage.take_retries() == 0


def test_retries_end_after_a_bounded_time(reading, tmp_path, monkeypatch):
    monkeypatch.setattr(retries, "RETRIED_FOR_SECONDS", 0.05)
    reading += [ConnectionResetError("reset")] * 1000
    with pytest.raises(ConnectionResetError):
        storage.read(f"{tmp_path}/file")
    assert 3 < storage.take_retries() < 100


class TroubledStorage(MemoryFileSystem):
    """A storage whose every other request fails."""

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
def test_every_request_to_a_storage_is_retried():
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


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (FileNotFoundError("x"), "there is no such file, directory or bucket"),
        (OSError("An error occurred (NoSuchBucket)"), "there is no such file, directory or bucket"),
        (NotADirectoryError("x"), "it is not a directory"),
        (OSError("Unable to locate credentials"), "no credentials were found; set AWS_ACCESS_KEY_ID .*"),
        (PermissionError("x"), "permission was denied; check the credentials and rights .x."),
        (PermissionError(13, "x", "/f"), "permission was denied; check its permissions .*'/f'."),
        (OSError("error (403): Forbidden"), "permission was denied; .*"),
        (OSError("error (InvalidAccessKeyId) in GetObject"), "permission was denied; .*"),
        (OSError("[Errno 5] Input/output error: '/data/0403_1.jpg'"), ".Errno 5. Input/output error: .*"),
        (ValueError("first.\nsecond"), "first"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_reason_is_a_few_words(error, why):
    assert re.fullmatch(why, storage.reason(error))


def test_a_reason_is_redacted_before_it_is_cut():
    text = "x" * (300 - len("sftp://u:topsec")) + "sftp://u:topsecret@host/file"
    assert "topsec" not in storage.reason(ValueError(text))


def test_a_line_that_ends_with_a_colon_is_not_the_whole_reason():
    assert storage.reason(ValueError("Validation failed:\nInvalid bucket name\nmore")) == (
        "Validation failed: Invalid bucket name"
    )


def test_a_storage_that_asked_to_slow_down_has_its_time_again_when_it_fails(impatient, monkeypatch):
    monkeypatch.setattr(retries, "RETRIED_FOR_SECONDS", 0.2)
    errors = [SlowDownError()] * 40 + [ConnectionResetError()] * 2
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.01)

    def act():
        if errors:
            raise errors.pop(0)
        return "read"

    assert retries.with_retries(act) == "read"


def test_a_process_ends_though_a_storage_asks_to_slow_down():
    script = """
        import concurrent.futures
        from flipbatch.storage.retries import with_retries
        from flipbatch.storage.s3_errors import SlowDownError

        def act():
            raise SlowDownError

        concurrent.futures.ThreadPoolExecutor(2).submit(with_retries, act)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
