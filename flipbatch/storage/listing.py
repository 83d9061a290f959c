"""Listing: every file below a directory, or that a glob pattern matches, on any storage.

Knows directories, links and patterns, and asks many directories at once; knows nothing of what the files are.
"""

from __future__ import annotations

import errno
import os
import re
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from flipbatch.storage import filesystem, join, local_version, storage_errors, with_retries

LISTINGS_IN_FLIGHT = 16

Item = TypeVar("Item")
Result = TypeVar("Result")

_WILDCARD = re.compile(r"[*?\[]")


def listing_root(uri: str) -> str:
    """Return the directory that a glob pattern starts from, or the URI itself where it is no pattern."""
    wildcard = _WILDCARD.search(uri)
    if wildcard is None or _is_directory(uri):
        return uri
    root = uri[: uri.rindex("/", 0, wildcard.start()) + 1]
    return root if root.endswith("://") else root.rstrip("/") or "/"


def _is_directory(uri: str) -> bool:
    with storage_errors(f"look at {uri}"):
        storage, path = filesystem(uri)
        return storage.isdir(path)


class ListedFile(NamedTuple):
    """A file as a listing tells of it.

    Attributes
    ----------
    uri : str
    version : str or None
        Equal as long as the file is the same: the ETag of an object of S3; of a local file its size alone,
        because copies on several machines differ in their times. None where the storage doesn't tell.
    """

    uri: str
    version: str | None


def list_files(uri: str) -> Iterator[ListedFile]:
    """List every file below a directory, or every file that a glob pattern matches.

    Directories are listed side by side. Links are followed, and each local directory is listed once: under
    the shortest of its names, of equally deep ones the first.

    Raises
    ------
    StorageError
        Where any directory can't be listed: a part of the frames is never taken for the whole.
    """
    with storage_errors(f"list {uri}"):
        root = listing_root(uri)
        pattern = None if root == uri else _Pattern(uri[len(join(root, "")) :])
        yield from _walk(root, pattern)


class _Pattern:
    """A glob pattern below a directory; all paths are relative to that directory."""

    def __init__(self, pattern: str) -> None:
        self._components = pattern.split("/")
        ends = range(1, len(self._components) + 1)
        self._depths = [re.compile(glob_translate("/".join(self._components[:end]))) for end in ends]

    def matches(self, file: str) -> bool:
        return self._depths[-1].fullmatch(file) is not None

    def leads_into(self, directory: str) -> bool:
        """Whether files that match may lie below a directory."""
        depth = directory.count("/") + 1
        if "**" in self._components[:depth]:
            return True
        return depth < len(self._components) and bool(self._depths[depth - 1].fullmatch(directory))


def _walk(uri: str, pattern: _Pattern | None) -> Iterator[ListedFile]:
    """Walk breadth first, level by level, so that the order never depends on which listing is quicker."""
    storage, root = filesystem(uri)
    prefix, seen, level = join(uri, ""), set(), [root]

    def below(path: str) -> str:
        return path[len(root) :].removeprefix("/")

    with ThreadPoolExecutor(LISTINGS_IN_FLIGHT, thread_name_prefix="list") as pool:
        while level:
            following: list[str] = []
            for one in _in_order(pool, lambda path: _list_one(storage, path), level, LISTINGS_IN_FLIGHT):
                if one.identity in seen:
                    continue
                seen.add(one.identity)
                for path, version in one.files:
                    file = below(path)
                    if pattern is None or pattern.matches(file):
                        yield ListedFile(prefix + file, version)
                following += (
                    path for path in one.directories if pattern is None or pattern.leads_into(below(path))
                )
            level = sorted(following)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """Call for each item on a pool, with at most so many under way, and give results in the items' order."""
    window: deque[Future[Result]] = deque()
    for item in items:
        window.append(pool.submit(function, item))
        if len(window) == most:
            yield window.popleft().result()
    while window:
        yield window.popleft().result()


@dataclass(frozen=True)
class _Listing:
    """One directory: what it is, whatever it is called, and what lies in it: paths, files with versions."""

    identity: object
    files: Iterable[tuple[str, str | None]]
    directories: list[str]


def _list_one(storage: Any, directory: str) -> _Listing:
    if isinstance(storage, LocalFileSystem):
        return _scan_local(directory)
    files, directories = [], []
    for entry in with_retries(lambda: storage.ls(directory, detail=True)):
        name = entry["name"].rstrip("/")
        # Object stores list a directory's own placeholder among its contents.
        if name == directory.rstrip("/"):
            continue
        if entry["type"] == "directory":
            directories.append(name)
        else:
            files.append((name, entry.get("ETag")))
    return _Listing(directory, files, directories)


def _scan_local(directory: str) -> _Listing:
    status = os.stat(directory)
    names, sizes, directories, prefix = [], array("q"), [], os.path.join(directory, "")
    with os.scandir(directory) as entries:
        for entry in entries:
            if _leads_to_directory(entry):
                directories.append(entry.path)
            else:
                names.append(entry.name)
                sizes.append(_size(entry))
    # Of a million files in one directory names and sizes are held, and no million paths.
    versions = (None if size < 0 else local_version(size) for size in sizes)
    files = zip((prefix + name for name in names), versions, strict=True)
    return _Listing((status.st_dev, status.st_ino), files, directories)


def _size(entry: os.DirEntry[str]) -> int:
    """Return a file's size in bytes, or -1 where it is no longer there or can't be looked at."""
    try:
        return entry.stat().st_size
    except OSError:
        return -1


def _leads_to_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        # A link that leads to itself is a file that can't be read.
        if error.errno == errno.ELOOP:
            return False
        raise
