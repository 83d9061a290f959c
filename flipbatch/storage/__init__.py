"""Any URI: read, write atomically, look, try again.

Knows fsspec, and how each kind of storage says that something is missing, forbidden or unreachable;
knows nothing of frames, bundles or runs. A URI here is a local path or ``protocol://…``; local paths
are made absolute, so that a worker with another working directory finds the same file.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import posixpath
import random
import re
import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec
from fsspec.config import conf as fsspec_settings
from fsspec.core import split_protocol

from flipbatch.errors import FlipbatchError, InputError, StorageError, redacted
from flipbatch.storage import s3

READS_IN_FLIGHT = 64
RETRIED_FOR_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 5.0

Result = TypeVar("Result")

_S3 = ("s3", "s3a")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp", re.DOTALL)


def normalise(uri: str) -> str:
    """Return the one spelling of a URI: no trailing slash, local paths absolute and without ``file://``.

    Raises
    ------
    InputError
        Where it is empty: an unset variable would mean the working directory.
    """
    if not uri:
        raise InputError("An empty path was given: give a file, a directory or a URI.")
    protocol, path = split_protocol(uri)
    if protocol in (None, "file", "local"):
        return os.path.abspath(os.path.expanduser(path))
    return f"{protocol}://{path.rstrip('/')}"


def redacted_uri(uri: str | None) -> str | None:
    """Return a URI as run.json tells it: in its one spelling, without credentials. None is none.

    Raises
    ------
    InputError
        Where it is empty.
    """
    return None if uri is None else redacted(normalise(uri))


def join(uri: str, *parts: str) -> str:
    """Append path components to a URI."""
    return (uri if uri.endswith("://") else uri.rstrip("/") + "/") + "/".join(parts)


def resolve(directory: str, path: str) -> str:
    """Return the URI of a path relative to a directory; ``..`` leads up on any storage."""
    if ".." not in path.split("/"):
        return join(directory, path)
    protocol, base = split_protocol(directory)
    resolved = posixpath.normpath(posixpath.join(base, path))
    return resolved if protocol is None else f"{protocol}://{resolved}"


def is_local(uri: str) -> bool:
    """Say whether a normalised URI is a path on this machine."""
    return split_protocol(uri)[0] is None


def filesystem(uri: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of a normalised URI, and the path that it calls it by.

    Raises
    ------
    InputError
        Where no such storage is known here.
    StorageError
        Where it can't be reached.
    """
    protocol, path = split_protocol(uri)
    if protocol is None:
        return _filesystem("file", ()), path
    try:
        # What belongs to the storage and not to the path: a host, a user, a repository.
        options = fsspec.get_filesystem_class(protocol)._get_kwargs_from_urls(uri)
        storage = _filesystem(protocol, tuple(sorted(options.items())))
    except (ValueError, ImportError) as error:
        raise InputError(
            f"{protocol}:// can't be opened here: {_first_line(error)}. Install the fsspec package for this "
            "storage."
        ) from error
    except Exception as error:
        raise StorageError(f"Can't reach the storage of {uri}: {reason(error)}.") from error
    return storage, storage._strip_protocol(uri)


@lru_cache(maxsize=32)
def _filesystem(protocol: str, options: tuple[tuple[str, Any], ...]) -> Any:
    # Listings are never cached: other processes write to the directories that we list.
    return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True, **dict(options))


@contextmanager
def storage_errors(act: str) -> Iterator[None]:
    """Turn whatever storage raises into one sentence."""
    try:
        yield
    except FlipbatchError:
        raise
    except Exception as error:
        raise StorageError(f"Can't {act}: {reason(error)}.") from error


# ---------------------------------------------------------------------------------------- read


class ReplacedError(OSError):
    """A file is no longer what it was when it was listed."""


def local_version(size: int) -> str:
    """Return what a local file is known by: its size alone, as copies on machines differ in their times."""
    return f"{size} bytes"


def _require_version(found: str | None, listed: str | None) -> None:
    """Refuse a file that was replaced since it was listed, where both versions are known.

    Raises
    ------
    ReplacedError
    """
    if listed is not None and found is not None and found != listed:
        raise ReplacedError(f"it was replaced after it was listed: it was {listed} and is {found}")


def read(uri: str, limit: int | None = None, version: str | None = None) -> bytes:
    """Read a file, or its first `limit` bytes; try again where that may help.

    Parameters
    ----------
    uri : str
    limit : int, optional
    version : str, optional
        What `listing.list_files` said of it. Local files and objects of S3 are held against it.

    Raises
    ------
    OSError
        As the storage gives it; `FileNotFoundError` where there is no such file, `ReplacedError` where it is
        of another version.
    """
    try:
        return with_retries(lambda: _read(uri, limit, version))
    except (OSError, FlipbatchError):
        raise
    except Exception as error:
        raise OSError(_first_line(error)) from error


def _read(uri: str, limit: int | None, version: str | None) -> bytes:
    if is_local(uri):
        with open(uri, "rb", opener=_open_without_waiting) as file:
            return _read_open(file, limit, version)
    protocol, path = split_protocol(uri)
    bucket, _, key = path.partition("/")
    if protocol in _S3 and _is_set_as_usual(protocol) and s3.takes(key):
        return s3.read(bucket, key, limit, partial(_require_version, listed=version))
    return _read_any(uri, limit, version)


def _read_open(file: BinaryIO, limit: int | None, version: str | None) -> bytes:
    # To ask for `limit` bytes takes a buffer of that size first, which costs more than reading a small file.
    size = os.fstat(file.fileno()).st_size
    _require_version(local_version(size), version)
    if limit is None or 0 < size < limit:
        return (file.read() or b"")[:limit]
    return file.read(limit) or b""


def _is_set_as_usual(protocol: str) -> bool:
    """Say whether all settings are where AWS clients look; what fsspec was told, it alone can follow."""
    return not fsspec_settings.get(protocol)


def _read_any(uri: str, limit: int | None, version: str | None) -> bytes:
    storage, path = filesystem(uri)
    if version is not None:
        _require_version(storage.info(path).get("ETag"), version)
    try:
        return storage.cat_file(path, start=0 if limit else None, end=limit)
    except FileNotFoundError:
        raise
    except Exception:
        # An empty object has no first byte: some storages refuse any range of it.
        if limit is not None and _is_empty(storage, path):
            return b""
        raise


def _open_without_waiting(path: str, flags: int) -> int:
    """Open for reading; a pipe that nobody writes to is empty, and is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_empty(storage: Any, path: str) -> bool:
    try:
        return storage.size(path) == 0
    except Exception:
        return False


def read_many(
    uris: Iterable[str], limit: int | None = None, versions: Iterable[str | None] = itertools.repeat(None)
) -> Iterator[bytes | OSError]:
    """Read files in the order given, with many requests in flight where storage is remote.

    The first requests are sent at once, before the first item is asked for: who makes the iterator of the
    next files while working on these never waits for storage in between.

    Parameters
    ----------
    uris : iterable of str
    limit : int, optional
        Most bytes to read of each.
    versions : iterable of (str or None), optional
        What `listing.list_files` said of each.

    Returns
    -------
    iterator of (bytes or OSError)
        One item a URI. At most `READS_IN_FLIGHT` files are held ahead of the item given last.
    """
    remaining = (_begin(uri, limit, version) for uri, version in zip(uris, versions, strict=False))
    ahead = deque(itertools.islice(remaining, READS_IN_FLIGHT))
    return _finish(ahead, remaining)


def _begin(uri: str, limit: int | None, version: str | None) -> Callable[[], bytes | OSError]:
    """Send the request of a remote file; a local one is read when it is its turn."""
    if is_local(uri):
        return partial(_read_or_error, uri, limit, version)
    return _readers().submit(_read_or_error, uri, limit, version).result


def _finish(
    ahead: deque[Callable[[], bytes | OSError]], remaining: Iterator[Callable[[], bytes | OSError]]
) -> Iterator[bytes | OSError]:
    while ahead:
        data = ahead.popleft()()
        ahead.extend(itertools.islice(remaining, 1))
        yield data


@lru_cache(maxsize=1)
def _readers() -> ThreadPoolExecutor:
    """Return the one pool of a process, so that all its readers together keep within `READS_IN_FLIGHT`."""
    return ThreadPoolExecutor(READS_IN_FLIGHT, thread_name_prefix="read", initializer=_never_interrupt)


def _never_interrupt() -> None:
    """Let this thread wait until others pause: what arrives is taken in fewer, larger pieces.

    A tenth of a millisecond of processor time a frame, where one core reads and decodes.
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _read_or_error(uri: str, limit: int | None, version: str | None) -> bytes | OSError:
    try:
        return read(uri, limit, version)
    except OSError as error:
        return error
    except FlipbatchError as error:
        return OSError(str(error))


def read_required(uri: str, what: str) -> bytes:
    """Read a file that must be there.

    Raises
    ------
    StorageError
        With `what` the file is, where it lies and what went wrong.
    """
    with storage_errors(f"read {what} {uri}"):
        return read(uri)


def digest(uri: str, what: str) -> str:
    """Return the SHA-256 of a file that must be there, as 64 hexadecimal digits; it is never held whole.

    Raises
    ------
    StorageError
        With `what` the file is, where it lies and what went wrong.
    """
    with storage_errors(f"read {what} {uri}"):
        storage, path = filesystem(uri)
        with storage.open(path, "rb", cache_type="readahead") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------- try again


def with_retries(act: Callable[[], Result]) -> Result:
    """Do what storage may refuse for a moment; do it again, and count that, as long as it may help."""
    pauses = _pauses()
    while True:
        try:
            return act()
        except Exception as error:
            pause = next(pauses, None) if _may_pass(error) else None
            if pause is None:
                raise
            _retries.append(None)
            time.sleep(pause)


def _pauses() -> Iterator[float]:
    """Yield how long to wait between tries, as long as there is to be another.

    Drawn by chance, so that many readers whom a server refused do not all come back at once.
    """
    began, longest = time.monotonic(), FIRST_PAUSE_SECONDS
    while time.monotonic() - began < RETRIED_FOR_SECONDS:
        yield random.uniform(longest / 3, longest)
        longest = min(LONGEST_PAUSE_SECONDS, longest * 3)


_PASSING = (errno.EAGAIN, errno.EINTR, errno.ESTALE)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)) or s3.may_pass(error):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


_retries: deque[None] = deque()  # its length is the count: appending needs no lock


def take_retries() -> int:
    """Return how often this process has tried to read or write again since this was called last."""
    count = len(_retries)
    for _ in range(count):
        _retries.popleft()
    return count


# ---------------------------------------------------------------------------------------- write


def write(uri: str, data: bytes) -> None:
    """Put a whole file, atomically: a reader sees the old one or the new one, never a part.

    Raises
    ------
    StorageError
        Where the storage can't be written.
    """
    with storage_errors(f"write {uri}"):
        if is_local(uri):
            _write_local(Path(uri), data)
        else:
            storage, path = filesystem(uri)
            with_retries(lambda: storage.pipe_file(path, data))


def create(uri: str, data: bytes) -> bool:
    """Put a whole file where there is none, atomically: of several who try at once, one does.

    Storage that can't do it (no hard links, no conditional requests) is only looked at before: there, of
    several who try within a moment, the last one counts.

    Returns
    -------
    bool
        Whether it was put; what was there already is left alone.

    Raises
    ------
    StorageError
        Where the storage can't be written.
    """
    with storage_errors(f"write {uri}"):
        if is_local(uri):
            return _create_local(Path(uri), data)
        return _create_remote(uri, data)


_keep_what_is_there: dict[str, bool] = {}
"""Storages, each ``PROTOCOL://HOST-OR-BUCKET``, and whether they refuse to replace where they are told to."""


def _create_remote(uri: str, data: bytes) -> bool:
    storage, path = filesystem(uri)
    place = uri[: uri.find("/", uri.find("://") + 3)]
    if not _keep_what_is_there.get(place) and _exists(storage, path):
        return False
    try:
        with_retries(lambda: storage.pipe_file(path, data, mode="create"))
    except Exception as error:
        if _exists(storage, path):
            return False
        if not _is_unknown(error):
            raise
        with_retries(lambda: storage.pipe_file(path, data))
        return True
    if place not in _keep_what_is_there:
        _keep_what_is_there[place] = _is_refused_again(storage, path, data)
    return True


def _is_refused_again(storage: Any, path: str, data: bytes) -> bool:
    """Say whether a file that was created is refused once more: some servers pass over the condition.

    To know costs one request a process; to look before each file is created would cost two each. Where it is
    not refused, the same bytes are put once more.
    """
    try:
        storage.pipe_file(path, data, mode="create")
    except Exception as error:
        # s3fs makes EINVAL of S3's status 412.
        return isinstance(error, FileExistsError) or getattr(error, "errno", None) == errno.EINVAL
    return False


def _is_unknown(error: Exception) -> bool:
    """Say whether a storage does not know what it was asked for."""
    unknown = (errno.ENOSYS, errno.ENOTSUP, errno.EPERM)
    return isinstance(error, (TypeError, NotImplementedError)) or getattr(error, "errno", None) in unknown


def _write_local(path: Path, data: bytes) -> None:
    with _temporary(path, data) as temporary:
        os.replace(temporary, path)


def _create_local(path: Path, data: bytes) -> bool:
    with _temporary(path, data) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, it never replaces
        except FileExistsError:
            return False
        except OSError as error:
            if not _is_unknown(error):
                raise
            if path.exists():
                return False
            os.replace(temporary, path)
        return True


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """Write a file beside where it shall be; what is left of it goes with the block."""
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


def remove_file(uri: str) -> None:
    """Remove a file; what is not there is removed already.

    Raises
    ------
    StorageError
    """
    with storage_errors(f"remove {uri}"), suppress(FileNotFoundError):
        storage, path = filesystem(uri)
        with_retries(lambda: storage.rm_file(path))  # `rm` takes a name for a pattern


def remove_folder(uri: str) -> None:
    """Remove a directory with all below it; what is not there is removed already.

    Raises
    ------
    StorageError
    """
    with storage_errors(f"remove {uri}"), suppress(FileNotFoundError):
        if is_local(uri):
            shutil.rmtree(uri)
            return
        storage, path = filesystem(uri)
        for file in with_retries(lambda: storage.find(path)):
            with suppress(FileNotFoundError):
                with_retries(partial(storage.rm_file, file))


# ---------------------------------------------------------------------------------------- look


def exists(uri: str) -> bool:
    """Say whether a file or a directory is there.

    Raises
    ------
    StorageError
        Where the storage doesn't answer: no credentials, no such bucket.
    """
    with storage_errors(f"look at {uri}"):
        return _exists(*filesystem(uri))


def _exists(storage: Any, path: str) -> bool:
    try:
        with_retries(lambda: storage.info(path))
    except FileNotFoundError:
        return False
    return True


def names_in(uri: str) -> list[str]:
    """List the names directly inside a directory, sorted; none where there is no such directory.

    What an interrupted `write` left is not among them.
    """
    with storage_errors(f"list {uri}"):
        storage, path = filesystem(uri)
        try:
            found = with_retries(lambda: storage.ls(path, detail=False))
        except FileNotFoundError:
            return []
        # Object stores list a directory's own placeholder among its contents.
        paths = (one for one in map(str, found) if one != path.rstrip("/") + "/")
        names = (one.rstrip("/").rpartition("/")[2] for one in paths)
        return sorted(name for name in names if name and not _TEMPORARY.fullmatch(name))


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
    "(403)",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
)


def _first_line(error: BaseException) -> str:
    # Cut last: half of a URI would not be known as one.
    return redacted((str(error) or type(error).__name__).splitlines()[0])[:300].rstrip(".")
