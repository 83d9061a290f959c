"""The kinds of storage, and which of them a URI belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from io import BufferedReader
from typing import Protocol

from flipbatch.storage import local_files, other_storage, s3_objects
from flipbatch.storage.directory import Directory
from flipbatch.storage.ranges import RangeFile
from flipbatch.storage.uris import is_local


class Backend(Protocol):
    """One kind of storage: a module with these functions.

    Each makes one attempt and raises the storage's own errors; callers retry and explain. Functions that send
    many requests retry each of them.
    """

    def read(self, uri: str, limit: int | None, version: str | None) -> bytes:
        """Return a file, or its first `limit` bytes."""
        ...

    def open_ranges(self, uri: str) -> BufferedReader | RangeFile:
        """Open a file to read ranges of it."""
        ...

    def put(self, uri: str, data: bytes) -> None:
        """Put a whole file, atomically."""
        ...

    def create(self, uri: str, data: bytes) -> None:
        """Put a whole file where there is none; fail where there is one, if the storage knows how."""
        ...

    def remove(self, uri: str) -> None:
        """Remove a file."""
        ...

    def remove_folder(self, uri: str) -> None:
        """Remove a directory with all below it."""
        ...

    def exists(self, uri: str) -> bool:
        """Return whether there is a file or a directory."""
        ...

    def is_directory(self, uri: str) -> bool:
        """Return whether there is a directory."""
        ...

    def version_of(self, uri: str) -> str | None:
        """Return the version of a file, or None if it has none; raise FileNotFoundError if none is there."""
        ...

    def names_in(self, uri: str) -> Iterable[str]:
        """Return the names directly in a directory; of a file, its own name."""
        ...

    def list_directory(self, uri: str) -> Directory:
        """List what is directly in a directory."""
        ...


def backend_of(uri: str) -> Backend:
    """Return the kind of storage of a normalised URI."""
    if is_local(uri):
        return local_files
    return s3_objects if s3_objects.takes(uri) else other_storage
