"""A directory as each kind of storage lists it. Knows no storage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute

from flipbatch.storage.versions import local_version, local_versions

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none


class FileColumns(NamedTuple):
    """Some files, as columns: a million objects take seconds to make.

    Attributes
    ----------
    uris, versions : pyarrow.StringArray
        (N,); a version may be null.
    """

    uris: pa.StringArray
    versions: pa.StringArray


@dataclass(frozen=True)
class SizedFiles:
    """Files of a local directory. Holds their names, and no paths.

    Attributes
    ----------
    prefix : str
        What their paths start with.
    names : list of str
    sizes : sequence of int
        In bytes, -1 where it is unknown.
    """

    prefix: str
    names: list[str]
    sizes: Sequence[int]

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        """Yield path and version of each file."""
        for name, size in zip(self.names, self.sizes, strict=True):
            yield self.prefix + name, None if size < 0 else local_version(size)

    def columns(self, most: int) -> Iterator[FileColumns]:
        """Yield at most so many files at a time.

        Raises
        ------
        UnicodeEncodeError
            Before the first, if a name or the prefix is not in UTF-8.
        """
        self.prefix.encode()  # Arrow would raise another error
        starts = range(0, len(self.names), most)
        names = [pa.array(self.names[start : start + most], pa.string()) for start in starts]
        for start, some in zip(starts, names, strict=True):
            sizes = pa.array(self.sizes[start : start + most], pa.int64())
            known = pc.if_else(pc.less(sizes, 0), None, sizes)
            uris = pc.binary_join_element_wise(self.prefix, some, "")
            yield FileColumns(uris, local_versions(known))


class Page(NamedTuple):
    """A part of a directory.

    Attributes
    ----------
    files : iterable of (str, str or None)
        URI and version of each file; `SizedFiles` of a local directory.
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
