"""Storage of any other kind: what `backends.Backend` asks for, by fsspec.

Knows what fsspec's filesystems do differently from each other; knows no storage in particular.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from flipbatch.errors import StorageError
from flipbatch.storage.directory import Directory, Page
from flipbatch.storage.filesystems import filesystem
from flipbatch.storage.ranges import RangeFile
from flipbatch.storage.retries import with_retries
from flipbatch.storage.uris import join, start_of_names
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


def version_of(uri: str) -> str | None:
    """Return the ETag of a file, if the storage has such; raise FileNotFoundError where there is no file."""
    storage, path = filesystem(uri)
    found = storage.info(path)
    if found["type"] != "file":
        raise FileNotFoundError(uri)
    return found.get("ETag")


def list_directory(uri: str) -> Directory:
    """List what is directly in a directory, and all that is below an empty name in it, such as ``a//b``.

    fsspec's filesystems take ``a/`` for ``a``: they list no directory of an empty name, but find all files.

    Raises
    ------
    StorageError
        The filesystem knows a directory of an empty name, but does not find its files.
    """
    storage, path = filesystem(uri)
    own = path.rstrip("/")
    entries = with_retries(lambda: storage.ls(path, detail=True))
    files, directories, selves = [], [], []
    for entry in entries:
        name = entry["name"].rstrip("/")
        one = join(uri, name.rpartition("/")[2])
        if name == own:
            selves.append(entry)
        elif entry["type"] == "directory":
            directories.append(one)
        else:
            files.append((one, entry.get("ETag")))
    if [entry["name"] for entry in entries] == [own] and entries[0]["type"] == "file":
        raise NotADirectoryError(uri)
    page = Page(files, directories, len(entries), len(selves))
    return Directory(path, iter([page, *_below_empty_name(uri, storage, own, selves)]))


def _below_empty_name(uri: str, storage: Any, own: str, selves: list[dict[str, Any]]) -> Iterator[Page]:
    """Yield the files below an empty name, if entries of the directory's own name say that there is one."""
    with_bytes = [(uri + "/", one.get("ETag")) for one in selves if one["type"] == "file" and one["size"]]
    if with_bytes:
        yield Page(with_bytes, [], len(with_bytes))
    # In a page of the web, a name that ends with a slash is the directory itself.
    if uri.startswith("http") or not any(one["type"] == "directory" for one in selves):
        return
    found = with_retries(lambda: storage.find(own, detail=True))
    files = [
        (start_of_names(uri) + name[len(own) + 1 :], one.get("ETag"))
        for name, one in found.items()
        if name.startswith(own + "//") and (one["size"] or not name.endswith("/"))
    ]
    if not files and any(one["name"] == own + "/" for one in selves if one["type"] == "directory"):
        raise StorageError(
            f"Can't list {uri}: it has a folder of an empty name ({uri}//…), which this storage can't list; "
            "rename that folder."
        )
    yield Page(files, [], len(files), is_flat=True)
