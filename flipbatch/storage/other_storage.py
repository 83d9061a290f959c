"""Storage of any other kind: what `backends.Backend` asks for, by fsspec.

Knows what fsspec's filesystems do differently from each other; knows no storage in particular.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from flipbatch.storage.directory import Directory, Page
from flipbatch.storage.filesystems import filesystem
from flipbatch.storage.ranges import RangeFile
from flipbatch.storage.retries import with_retries
from flipbatch.storage.uris import join
from flipbatch.storage.versions import require_version


def read(uri: str, limit: int | None, version: str | None) -> bytes:
    """Return a file, or its first `limit` bytes."""
    storage, path = filesystem(uri)
    if version is not None:
        require_version(storage.info(path).get("ETag"), version)
    try:
        return storage.cat_file(path, start=0 if limit else None, end=limit)
    except FileNotFoundError:
        raise
    except Exception:
        # An empty object has no first byte: some storages refuse any range of it.
        if limit is not None and _is_empty(storage, path):
            return b""
        raise


def _is_empty(storage: Any, path: str) -> bool:
    try:
        return storage.size(path) == 0
    except Exception:
        return False


def open_ranges(uri: str) -> RangeFile:
    """Open a file to read ranges of it."""
    storage, path = filesystem(uri)
    # A cache that reads ahead would fetch bytes that nobody asks for.
    file = storage.open(path, "rb", cache_type="none")
    return RangeFile(file.seek(0, io.SEEK_END), partial(_range, file))


def _range(file: Any, start: int, end: int) -> bytes:
    def attempt() -> bytes:
        file.seek(start)
        return file.read(end - start)

    return with_retries(attempt)


def put(uri: str, data: bytes) -> None:
    """Put a whole file."""
    storage, path = filesystem(uri)
    storage.pipe_file(path, data)


def create(uri: str, data: bytes) -> None:
    """Put a whole file where there is none; fail where there is one, if the storage knows how."""
    storage, path = filesystem(uri)
    storage.pipe_file(path, data, mode="create")


def remove(uri: str) -> None:
    """Remove a file."""
    storage, path = filesystem(uri)
    storage.rm_file(path)  # `rm` takes a name for a pattern


def remove_folder(uri: str) -> None:
    """Remove a directory with all below it."""
    storage, path = filesystem(uri)
    for file in with_retries(lambda: storage.find(path)):
        with suppress(FileNotFoundError):
            with_retries(partial(storage.rm_file, file))


def exists(uri: str) -> bool:
    """Return whether there is a file or a directory."""
    storage, path = filesystem(uri)
    try:
        storage.info(path)
    except FileNotFoundError:
        return False
    return True


def is_directory(uri: str) -> bool:
    """Return whether there is a directory."""
    storage, path = filesystem(uri)
    return storage.isdir(path)


def names_in(uri: str) -> Iterator[str]:
    """Yield the names directly in a directory."""
    storage, path = filesystem(uri)
    for one in map(str, storage.ls(path, detail=False)):
        # Object stores list the placeholder of a directory among its files.
        if one != path.rstrip("/") + "/":
            yield one.rstrip("/").rpartition("/")[2]


def list_directory(uri: str) -> Directory:
    """List what is directly in a directory."""
    storage, path = filesystem(uri)
    files, directories = [], []
    for entry in with_retries(lambda: storage.ls(path, detail=True)):
        name = entry["name"].rstrip("/")
        # Object stores list the placeholder of a directory among its files.
        if name == path.rstrip("/"):
            continue
        one = join(uri, name.rpartition("/")[2])
        if entry["type"] == "directory":
            directories.append(one)
        else:
            files.append((one, entry.get("ETag")))
    return Directory(path, iter([Page(files, directories)]))
