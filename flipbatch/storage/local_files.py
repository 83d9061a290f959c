"""Storage on this machine: what `backends.Backend` asks for, by the operating system.

Knows files, links and directories; knows no other storage.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from pyarrow.fs import LocalFileSystem

from flipbatch.storage.directory import Directory, Page, SizedFiles
from flipbatch.storage.uris import start_of_names
from flipbatch.storage.versions import local_version, require_version

_FILES = LocalFileSystem()
_LOOKED_AT_ONCE = 1_000


def read(uri: str, limit: int | None, version: str | None) -> bytes:
    """Return a file, or its first `limit` bytes."""
    with open(uri, "rb", opener=_open_without_waiting) as file:
        # A read of `limit` bytes takes a buffer of that size first: it costs more than reading a small file.
        size = os.fstat(file.fileno()).st_size
        require_version(local_version(size), version)
        if limit is None or 0 < size < limit:
            return (file.read() or b"")[:limit]
        return file.read(limit) or b""


def _open_without_waiting(path: str, flags: int) -> int:
    """Open for reading; a pipe without a writer is empty, and is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def open_ranges(uri: str) -> BufferedReader:
    """Open a file to read ranges of it."""
    return open(uri, "rb")


# ---------------------------------------------------------------------------------------- write


def put(uri: str, data: bytes) -> None:
    """Put a whole file by a rename, so that a reader sees the old file or the new one."""
    with _temporary(Path(uri), data) as temporary:
        os.replace(temporary, uri)


def create(uri: str, data: bytes) -> None:
    """Put a whole file where there is none; raise FileExistsError where there is one."""
    with _temporary(Path(uri), data) as temporary:
        os.link(temporary, uri)  # unlike a rename, a link never replaces


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """Write a temporary file in the directory of `path`, and remove it at the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def remove(uri: str) -> None:
    """Remove a file."""
    os.unlink(uri)


def remove_folder(uri: str) -> None:
    """Remove a directory with all below it."""
    shutil.rmtree(uri)


# ---------------------------------------------------------------------------------------- directories


def exists(uri: str) -> bool:
    """Return whether there is a file, a directory or a link."""
    try:
        os.lstat(uri)
    except FileNotFoundError:
        return False
    return True


def is_directory(uri: str) -> bool:
    """Return whether there is a directory."""
    return os.path.isdir(uri)


def version_of(uri: str) -> str:
    """Return the version of a file; raise FileNotFoundError where there is none, or a directory."""
    status = os.stat(uri)
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(uri)
    return local_version(status.st_size)


def state_of(uri: str) -> tuple[int, int, int] | None:
    """Return what differs after a file was replaced or rewritten; None if it can't be looked at."""
    try:
        status = os.stat(uri)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def names_in(uri: str) -> Iterable[str]:
    """Return the names directly in a directory; of a file, its own name."""
    return [os.path.basename(uri)] if os.path.isfile(uri) else os.listdir(uri)


def list_directory(uri: str) -> Directory:
    """List what is directly in a directory; links are followed."""
    status = os.stat(uri)
    names, directories, entries, prefix = [], [], 0, start_of_names(uri)
    links: set[str] = set()
    with os.scandir(uri) as found:
        for entry in found:
            entries += 1
            if _leads_to_directory(entry):
                directories.append(entry.path)
                if entry.is_symlink():
                    links.add(entry.path)
            else:
                names.append(entry.name)
    files = SizedFiles(prefix, names, _sizes(prefix, names))
    return Directory((status.st_dev, status.st_ino), iter([Page(files, directories, entries, links=links)]))


def _sizes(prefix: str, names: list[str]) -> array[int]:
    """Return the size of each file in bytes, or -1 if it is gone or can't be looked at."""
    sizes = array("q")
    for start in range(0, len(names), _LOOKED_AT_ONCE):
        some = [prefix + name for name in names[start : start + _LOOKED_AT_ONCE]]
        try:
            # In one call: 16 threads that look at one file at a time wait for each other in Python.
            sizes.extend(-1 if one.size is None else one.size for one in _FILES.get_file_info(some))
        except (OSError, UnicodeEncodeError):
            # One of them may not be looked at, or has a name that is not in UTF-8.
            sizes.extend(_size(path) for path in some)
    return sizes


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _leads_to_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except PermissionError:
        # A link to where this user may not look: a name with an extension is taken for that of a file.
        return not os.path.splitext(entry.name)[1]
    except OSError as error:
        # A link to itself, or below a file, is a file that can't be read.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG):
            return False
        raise
