"""Names: whether a file exists, and the names in a directory. Knows nothing of what files are."""

from __future__ import annotations

import re

from flipbatch.storage.backends import backend_of
from flipbatch.storage.reasons import storage_errors
from flipbatch.storage.retries import with_retries

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp", re.DOTALL)


def exists(uri: str) -> bool:
    """Return whether there is such a file or directory.

    Raises
    ------
    StorageError
        The storage doesn't answer: no credentials, no such bucket.
    """
    with storage_errors(f"look at {uri}"):
        return with_retries(lambda: backend_of(uri).exists(uri))


def names_in(uri: str) -> list[str]:
    """List the names directly in a directory, sorted; a missing directory has none, and a file its own.

    The temporary files of interrupted writes are left out.

    Raises
    ------
    StorageError
    """
    with storage_errors(f"list {uri}"):
        try:
            names = with_retries(lambda: list(backend_of(uri).names_in(uri)))
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name and not _TEMPORARY.fullmatch(name))
