"""Any URI: list, read, write atomically.

Knows fsspec, and how each kind of storage says that something is missing, forbidden or unreachable;
knows nothing of frames, bundles or runs. A URI here is a local path or ``protocol://…``; local paths
are made absolute, so that a worker with another working directory finds the same file.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
from fsspec.core import split_protocol
from fsspec.implementations.local import LocalFileSystem

from flipbatch.errors import InputError, StorageError

LISTING_THREADS = 16
READS_IN_FLIGHT = 32


def normalise(uri: str) -> str:
    """Return the one spelling of a URI: no trailing slash, local paths absolute and without ``file://``."""
    protocol, path = split_protocol(uri)
    if protocol in (None, "file", "local"):
        return os.path.abspath(os.path.expanduser(path))
    return uri.rstrip("/")


def join(uri: str, *parts: str) -> str:
    """Append path components to a URI."""
    return "/".join([uri.rstrip("/"), *parts])


def is_local(uri: str) -> bool:
    """Say whether a normalised URI is a path on this machine."""
    return split_protocol(uri)[0] is None


@lru_cache(maxsize=32)
def _filesystem(protocol: str | None) -> Any:
    # Listings are never cached: other processes write to the directories that we list.
    try:
        return fsspec.filesystem(protocol or "file", use_listings_cache=False, skip_instance_cache=True)
    except (ValueError, ImportError) as error:
        raise InputError(
            f"{protocol}:// can't be opened here: {error}. Install the fsspec package for this storage."
        ) from error


def filesystem(uri: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of a normalised URI, and the path that it calls it by."""
    protocol, path = split_protocol(uri)
    storage = _filesystem(protocol)
    return storage, (path if protocol is None else storage._strip_protocol(uri))


# ---------------------------------------------------------------------------------------- read


def read(uri: str, limit: int | None = None) -> bytes:
    """Read a file, or its first `limit` bytes.

    Raises
    ------
    OSError
        As the storage gives it; `FileNotFoundError` where there is no such file.
    """
    if is_local(uri):
        with open(uri, "rb") as file:
            return file.read(-1 if limit is None else limit)
    storage, path = filesystem(uri)
    try:
        return storage.cat_file(path, start=0 if limit else None, end=limit)
    except FileNotFoundError:
        raise
    except Exception as error:
        # An empty object has no first byte: S3 refuses any range of it.
        if limit is not None and _is_empty(storage, path):
            return b""
        raise OSError(_first_line(error)) from error


def _is_empty(storage: Any, path: str) -> bool:
    try:
        return storage.size(path) == 0
    except Exception:
        return False


def read_many(uris: Iterable[str], limit: int | None = None) -> Iterator[bytes | OSError]:
    """Read files in the order given, with many requests in flight where storage is remote.

    Parameters
    ----------
    uris : iterable of str
    limit : int, optional
        Most bytes to read of each.

    Yields
    ------
    bytes or OSError
        One item a URI. At most `READS_IN_FLIGHT` files are held at a time.
    """
    remaining = iter(uris)
    first = next(remaining, None)
    if first is None:
        return
    remaining = itertools.chain([first], remaining)
    if is_local(first):
        yield from (_read_or_error(uri, limit) for uri in remaining)
        return
    with ThreadPoolExecutor(READS_IN_FLIGHT, thread_name_prefix="read") as pool:
        window: deque[Future[bytes | OSError]] = deque()
        for uri in remaining:
            window.append(pool.submit(_read_or_error, uri, limit))
            if len(window) == READS_IN_FLIGHT:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()


def _read_or_error(uri: str, limit: int | None) -> bytes | OSError:
    try:
        return read(uri, limit)
    except OSError as error:
        return error
    except Exception as error:
        return OSError(_first_line(error))


def read_required(uri: str, what: str) -> bytes:
    """Read a file that must be there.

    Raises
    ------
    StorageError
        With `what` the file is, where it lies and what went wrong.
    """
    try:
        return read(uri)
    except Exception as error:
        raise StorageError(f"Can't read {what} {uri}: {reason(error)}.") from error


# ---------------------------------------------------------------------------------------- write


def write(uri: str, data: bytes) -> None:
    """Put a whole file, atomically: a reader sees the old one or the new one, never a part.

    Raises
    ------
    StorageError
        Where the storage can't be written.
    """
    try:
        if is_local(uri):
            _write_local(Path(uri), data)
        else:
            storage, path = filesystem(uri)
            storage.pipe_file(path, data)
    except Exception as error:
        raise StorageError(f"Can't write {uri}: {reason(error)}.") from error


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------- look


def exists(uri: str) -> bool:
    """Say whether a file or a directory is there.

    Raises
    ------
    StorageError
        Where the storage doesn't answer: no credentials, no such bucket.
    """
    storage, path = filesystem(uri)
    try:
        storage.info(path)
    except FileNotFoundError:
        return False
    except Exception as error:
        raise StorageError(f"Can't look at {uri}: {reason(error)}.") from error
    return True


def names_in(uri: str) -> list[str]:
    """List the names directly inside a directory, sorted; none where there is no such directory."""
    storage, path = filesystem(uri)
    try:
        names = (str(name).rstrip("/").rpartition("/")[2] for name in storage.ls(path, detail=False))
        return sorted(name for name in names if name)
    except FileNotFoundError:
        return []
    except Exception as error:
        raise StorageError(f"Can't list {uri}: {reason(error)}.") from error


def has_wildcard(uri: str) -> bool:
    """Say whether a URI is a glob pattern."""
    return any(character in uri for character in "*?[")


def list_files(uri: str) -> Iterator[str]:
    """List every file below a directory, or every file that a glob pattern matches.

    Directories are listed side by side and their files given as they come, in no order.

    Raises
    ------
    StorageError
        Where any directory can't be listed: a part of the frames is never taken for the whole.
    """
    try:
        yield from _glob(uri) if has_wildcard(uri) and not _is_directory(uri) else _walk(uri)
    except OSError as error:
        raise StorageError(f"Can't list {uri}: {reason(error)}.") from error
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(f"Can't list {uri}: {reason(error)}.") from error


def _is_directory(uri: str) -> bool:
    return is_local(uri) and os.path.isdir(uri)


def _glob(uri: str) -> Iterator[str]:
    storage, pattern = filesystem(uri)
    for path, info in storage.glob(pattern, detail=True).items():
        if info["type"] == "file":
            yield _uri_of(storage, uri, path)


def _walk(uri: str) -> Iterator[str]:
    """Walk breadth first; each directory is one call on a thread of its own."""
    storage, root = filesystem(uri)
    seen: set[object] = set()
    with ThreadPoolExecutor(LISTING_THREADS, thread_name_prefix="list") as pool:
        running = {pool.submit(_list_one, storage, root, seen)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for files, directories in (future.result() for future in done):
                    running |= {pool.submit(_list_one, storage, path, seen) for path in directories}
                    yield from (_uri_of(storage, uri, path) for path in files)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _list_one(storage: Any, directory: str, seen: set[object]) -> tuple[list[str], list[str]]:
    if isinstance(storage, LocalFileSystem):
        return _scan_local(directory, seen)
    files, directories = [], []
    for entry in storage.ls(directory, detail=True):
        name = entry["name"].rstrip("/")
        # Object stores list a directory's own placeholder among its contents.
        if name != directory.rstrip("/"):
            (directories if entry["type"] == "directory" else files).append(name)
    return files, directories


def _scan_local(directory: str, seen: set[object]) -> tuple[list[str], list[str]]:
    status = os.stat(directory)
    # Links may lead back up: each directory is listed once, whatever it is called.
    if (status.st_dev, status.st_ino) in seen:
        return [], []
    seen.add((status.st_dev, status.st_ino))
    files, directories = [], []
    with os.scandir(directory) as entries:
        for entry in entries:
            (directories if entry.is_dir() else files).append(entry.path)
    return files, directories


def _uri_of(storage: Any, like: str, path: str) -> str:
    return path if is_local(like) else str(storage.unstrip_protocol(path))


# ---------------------------------------------------------------------------------------- say why


def reason(error: BaseException) -> str:
    """Say in a few words why storage refused, the same for every kind of storage."""
    kind = type(error).__name__
    text = _first_line(error)
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in text or "NoSuchKey" in text:
        return "there is no such file, directory or bucket"
    if isinstance(error, NotADirectoryError):
        return "it is not a directory"
    if kind == "NoCredentialsError" or "Unable to locate credentials" in text:
        return (
            "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role"
        )
    if isinstance(error, PermissionError) or any(word in text for word in _FORBIDDEN):
        return f"permission was denied; check the credentials and rights ({text})"
    return text


_FORBIDDEN = (
    "AccessDenied",
    "Forbidden",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
