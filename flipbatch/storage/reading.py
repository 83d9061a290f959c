"""Reading: whole files or their first bytes, one or many at a time, with retries.

Knows how many requests may be in flight. Does not know the content of files.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache, partial

from flipbatch.errors import FlipbatchError
from flipbatch.storage import local_files
from flipbatch.storage.backends import backend_of
from flipbatch.storage.ranges import RangeFile
from flipbatch.storage.reasons import first_line, storage_errors
from flipbatch.storage.request_limit import RequestLimit
from flipbatch.storage.retries import with_retries
from flipbatch.storage.uris import is_local
from flipbatch.storage.versions import require_version

READS_IN_FLIGHT = 64

_requests = RequestLimit(READS_IN_FLIGHT)

_DIGEST_BUFFER = 8 * 2**20
_STREAM_BUFFER = 8 * 2**20


def read(uri: str, limit: int | None = None, version: str | None = None) -> bytes:
    """Read a file, or its first `limit` bytes; retry after transient errors.

    Parameters
    ----------
    uri : str
    limit : int, optional
        Bytes.
    version : str, optional
        From `listing.list_files`. The file must still be of this version.

    Raises
    ------
    OSError
        As the storage raises it; `FileNotFoundError` if there is no such file, `ReplacedError` if it is of
        another version.
    """
    try:
        return with_retries(partial(_read_once, uri, limit, version))
    except (OSError, FlipbatchError):
        raise
    except Exception as error:
        raise OSError(first_line(error)) from error


def _read_once(uri: str, limit: int | None, version: str | None) -> bytes:
    if is_local(uri):
        return backend_of(uri).read(uri, limit, version)
    with _requests.request():
        return backend_of(uri).read(uri, limit, version)


def read_required(uri: str, what: str) -> bytes:
    """Read a file that must be there.

    Raises
    ------
    StorageError
        With `what` the file is, where it is and what went wrong.
    """
    with storage_errors(f"read {what} {uri}"):
        return read(uri)


def open_ranges(uri: str, what: str) -> io.BufferedReader | RangeFile:
    """Open a file that must be there, to read only ranges of its bytes.

    Raises
    ------
    StorageError
        With `what` the file is, where it is and what went wrong; also by later reads of a remote file.
    """
    with storage_errors(f"read {what} {uri}"):
        file = with_retries(lambda: backend_of(uri).open_ranges(uri))
    if isinstance(file, RangeFile):
        file.explain_errors(lambda: storage_errors(f"read {what} {uri}"))
    return file


def open_version(uri: str, version: str | None) -> io.BufferedReader:
    """Open a file, which must be of the given version, to read any of its bytes.

    Parameters
    ----------
    uri : str
    version : str or None
        From `listing.list_files`.

    Raises
    ------
    OSError
        As the storage raises it, also by later reads; `FileNotFoundError` if there is no such file,
        `ReplacedError` if it is of another version.
    """
    with _os_errors():
        backend = backend_of(uri)
        if version is not None:
            require_version(with_retries(lambda: backend.version_of(uri)), version)
        file = with_retries(lambda: backend.open_ranges(uri))
    if not isinstance(file, RangeFile):
        return file
    file.explain_errors(_os_errors)
    return io.BufferedReader(file, _STREAM_BUFFER)


def version_now(uri: str) -> str | None:
    """Return the version that a file has now; None if there is none, or it can't be told."""
    try:
        return with_retries(lambda: backend_of(uri).version_of(uri))
    except Exception:  # reading the file says what is wrong
        return None


def local_state(uri: str) -> tuple[int, int, int] | None:
    """Return what differs after a local file was replaced; None for other files, and where there is none."""
    return local_files.state_of(uri) if is_local(uri) else None


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turn every other error into an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except FlipbatchError as error:
        raise OSError(str(error)) from error
    except Exception as error:
        raise OSError(first_line(error)) from error


def digest(uri: str, what: str) -> str:
    """Return the SHA-256 of a file that must be there, as 64 hexadecimal digits, in constant memory.

    Raises
    ------
    StorageError
        With `what` the file is, where it is and what went wrong.
    """
    with storage_errors(f"read {what} {uri}"), open_ranges(uri, what) as file:
        buffered = io.BufferedReader(file, _DIGEST_BUFFER) if isinstance(file, RangeFile) else file
        return hashlib.file_digest(buffered, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------- many files


def read_many(
    uris: Iterable[str], limit: int | None = None, versions: Iterable[str | None] = itertools.repeat(None)
) -> Iterator[bytes | OSError]:
    """Read files in the given order, with many requests in flight if storage is remote.

    The first requests are sent at once, before the first item is taken: a caller that makes the iterator of
    the next files while it works on these never waits for storage in between.

    Parameters
    ----------
    uris : iterable of str
    limit : int, optional
        Maximum number of bytes to read of each.
    versions : iterable of (str or None), optional
        From `listing.list_files`, one per URI.

    Returns
    -------
    iterator of (bytes or OSError)
        One item per URI. At most `READS_IN_FLIGHT` files are in memory ahead of the last item taken.
    """
    remaining = (_start(uri, limit, version) for uri, version in zip(uris, versions, strict=False))
    ahead = deque(itertools.islice(remaining, READS_IN_FLIGHT))
    return _finish(ahead, remaining)


def _start(uri: str, limit: int | None, version: str | None) -> Callable[[], bytes | OSError]:
    """Send the request for a remote file now; a local file is read when it is needed."""
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
    """Schedule this thread as SCHED_BATCH: it does not preempt others, so it reads fewer, larger pieces.

    This saves a tenth of a millisecond of processor time per frame if one core reads and decodes.
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
