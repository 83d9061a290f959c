"""A directory as each kind of storage lists it. Knows no storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Page(NamedTuple):
    """A part of a directory.

    Attributes
    ----------
    files : iterable of (str, str or None)
        URI and version of each file.
    directories : list of str
        URIs.
    """

    files: Iterable[tuple[str, str | None]]
    directories: list[str]


@dataclass(frozen=True)
class Directory:
    """A directory and all that is directly in it.

    Attributes
    ----------
    identity : object
        Equal for two names of one directory.
    pages : iterator of Page
        Later pages may send requests; they are retried.
    """

    identity: object
    pages: Iterator[Page]
