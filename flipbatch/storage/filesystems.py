"""Filesystems of fsspec: the one of a URI, opened once per process.

Knows fsspec. Does not know requests. Ray Train takes such a filesystem for its checkpoints.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import fsspec
from fsspec.core import split_protocol

from flipbatch.errors import InputError, StorageError
from flipbatch.storage.reasons import first_line, reason


def filesystem(uri: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of a normalised URI, and the file's path in it.

    Raises
    ------
    InputError
        The protocol is not known here.
    StorageError
        The storage can't be reached.
    """
    protocol, path = split_protocol(uri)
    if protocol is None:
        return _filesystem("file", ()), path
    try:
        # These belong to the storage and not to the path: a host, a user, a repository.
        options = fsspec.get_filesystem_class(protocol)._get_kwargs_from_urls(uri)
        storage = _filesystem(protocol, tuple(sorted(options.items())))
    except (ValueError, ImportError) as error:
        raise InputError(
            f"{protocol}:// can't be opened here: {first_line(error)}. Install the fsspec package for this "
            "storage."
        ) from error
    except Exception as error:
        raise StorageError(f"Can't reach the storage of {uri}: {reason(error)}.") from error
    return storage, storage._strip_protocol(uri)


@lru_cache(maxsize=32)
def _filesystem(protocol: str, options: tuple[tuple[str, Any], ...]) -> Any:
    # Listings are never cached: other processes write to the directories that we list.
    return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True, **dict(options))
