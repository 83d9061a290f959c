"""Versions: what identifies the content of a file between its listing and its reading.

The version of a local file is its size, that of any other file its ETag, if its storage has one. Does not
know storage.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none


class ReplacedError(OSError):
    """A file is no longer the one that was listed."""


def local_version(size: int) -> str:
    """Return the version of a local file: its size, because copies on several machines differ in times."""
    return f"{size} bytes"


def local_versions(sizes: pa.Int64Array) -> pa.StringArray:
    """Return the `local_version` of each size; null stays null."""
    return pc.binary_join_element_wise(sizes.cast(pa.string()), "bytes", " ")


def require_version(found: str | None, listed: str | None) -> None:
    """Refuse a file that was replaced after it was listed, if both versions are known.

    Raises
    ------
    ReplacedError
    """
    if listed is not None and found is not None and found != listed:
        raise ReplacedError(f"it was replaced after it was listed: it was {listed} and is {found}")
