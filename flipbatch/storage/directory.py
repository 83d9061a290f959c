"""A directory as each kind of storage lists it. Knows no storage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
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
    entries : int
        How many names the storage answered: files, directories and others.
    others : int
        How many of them are neither: placeholders of directories, and the directory itself.
    is_flat : bool
        Files may be deeper than the directory: they lie in folders that are not listed on their own.
    links : collection of str
        Those directories that are links.
    """

    files: Iterable[tuple[str, str | None]]
    directories: list[str]
    entries: int
    others: int = 0
    is_flat: bool = False
    links: Collection[str] = ()


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
