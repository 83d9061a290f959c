"""Writing: whole files, atomically; and removing, with retries.

Knows what storage promises of a file that is put. Does not know the content of files.
"""

from __future__ import annotations

import errno
import io
from contextlib import suppress
from functools import partial

from flipbatch.storage.backends import Backend, backend_of
from flipbatch.storage.reasons import storage_errors
from flipbatch.storage.retries import with_retries

_UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EPERM)

_never_replaces: dict[str, bool] = {"": True}
"""Whether `create` never replaces a file, by storage: ``PROTOCOL://HOST-OR-BUCKET``, or empty for local."""


def write(uri: str, data: bytes) -> None:
    """Put a whole file, atomically: a reader sees the old file or the new one, never a part.

    Raises
    ------
    StorageError
        The storage can't be written.
    """
    with storage_errors(f"write {uri}"):
        with_retries(lambda: backend_of(uri).put(uri, data))


def create(uri: str, data: bytes) -> bool:
    """Put a whole file where there is none, atomically: of several at once, one is put.

    On storage that can't do this (no hard links, no conditional requests) the file is only looked for before
    it is put: there, of several within a moment, the last one stays.

    Returns
    -------
    bool
        Whether the file was put; an existing file is left alone.

    Raises
    ------
    StorageError
        The storage can't be written.
    """
    with storage_errors(f"write {uri}"):
        return _create(backend_of(uri), uri, data)


def _create(backend: Backend, uri: str, data: bytes) -> bool:
    place = uri[: uri.find("/", uri.find("://") + 3)] if "://" in uri else ""
    if not _never_replaces.get(place) and _exists(backend, uri):
        return False
    try:
        with_retries(lambda: backend.create(uri, data))
    except Exception as error:
        if _exists(backend, uri):
            return False
        if not _is_unsupported(error):
            raise
        with_retries(lambda: backend.put(uri, data))
        return True
    if place not in _never_replaces:
        _never_replaces[place] = _is_refused(backend, uri, data)
    return True


def _exists(backend: Backend, uri: str) -> bool:
    return with_retries(lambda: backend.exists(uri))


def _is_refused(backend: Backend, uri: str, data: bytes) -> bool:
    """Create a file a second time, and return whether that is refused: some servers ignore the condition.

    This costs one request per process; to look before each file is created would cost two requests per file.
    If it is not refused, the same bytes are put once more.
    """
    try:
        backend.create(uri, data)
    except Exception as error:
        # s3fs raises EINVAL for S3's status 412.
        return isinstance(error, FileExistsError) or getattr(error, "errno", None) == errno.EINVAL
    return False


def _is_unsupported(error: Exception) -> bool:
    """Return whether a storage does not know the request."""
    if isinstance(error, (TypeError, NotImplementedError, io.UnsupportedOperation)):
        return True
    return getattr(error, "errno", None) in _UNSUPPORTED


def remove_file(uri: str) -> None:
    """Remove a file; a missing file is removed already.

    Raises
    ------
    StorageError
    """
    with storage_errors(f"remove {uri}"), suppress(FileNotFoundError):
        with_retries(lambda: backend_of(uri).remove(uri))


def remove_folder(uri: str) -> None:
    """Remove a directory with all below it; a missing directory is removed already.

    Raises
    ------
    StorageError
    """
    with storage_errors(f"remove {uri}"), suppress(FileNotFoundError):
        with_retries(partial(backend_of(uri).remove_folder, uri))
