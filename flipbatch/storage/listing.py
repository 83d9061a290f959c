"""Listing: whether a file exists, the names in a directory, and every file below one or matching a pattern.

Walks directories, many at once, and follows links; knows nothing of what files are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from flipbatch.storage.backends import backend_of
from flipbatch.storage.patterns import WILDCARD, Pattern
from flipbatch.storage.reasons import storage_errors
from flipbatch.storage.retries import with_retries
from flipbatch.storage.uris import join

LISTINGS_IN_FLIGHT = 16

Item = TypeVar("Item")
Result = TypeVar("Result")

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


def listing_root(uri: str) -> str:
    """Return the directory that a glob pattern starts from, or the URI itself if it is no pattern."""
    wildcard = WILDCARD.search(uri)
    if wildcard is None or _is_directory(uri):
        return uri
    root = uri[: uri.rindex("/", 0, wildcard.start()) + 1]
    return root if root.endswith("://") else root.rstrip("/") or "/"


def _is_directory(uri: str) -> bool:
    with storage_errors(f"look at {uri}"):
        return with_retries(lambda: backend_of(uri).is_directory(uri))


class ListedFile(NamedTuple):
    """A file of a listing.

    Attributes
    ----------
    uri : str
    version : str or None
        Equal as long as the file is the same: the ETag of an object of S3; the size of a local file, because
        copies on several machines differ in their times. None if the storage has no versions.
    """

    uri: str
    version: str | None


def list_files(uri: str) -> Iterator[ListedFile]:
    """List every file below a directory, or every file that a glob pattern matches.

    Directories are listed side by side. Links are followed, and each local directory is listed once: under
    the shortest of its names, of equally deep ones the first. Memory does not grow with the number of objects
    in a directory of S3.

    Raises
    ------
    StorageError
        Any directory can't be listed: a part of the frames is never taken for the whole.
    """
    with storage_errors(f"list {uri}"):
        root = listing_root(uri)
        pattern = None if root == uri else Pattern(uri[len(join(root, "")) :])
        yield from _walk(root, pattern)


def _walk(uri: str, pattern: Pattern | None) -> Iterator[ListedFile]:
    """Walk breadth first, level by level, so that the order never depends on which listing is quicker."""
    backend, start, seen, level = backend_of(uri), len(join(uri, "")), set(), [uri]
    with ThreadPoolExecutor(LISTINGS_IN_FLIGHT, thread_name_prefix="list") as pool:
        while level:
            following: list[str] = []
            for directory in _in_order(pool, backend.list_directory, level, LISTINGS_IN_FLIGHT):
                if directory.identity in seen:
                    continue
                seen.add(directory.identity)
                for page in _one_ahead(pool, directory.pages):
                    for file, version in page.files:
                        if pattern is None or pattern.matches(file[start:]):
                            yield ListedFile(file, version)
                    following += (
                        one for one in page.directories if pattern is None or pattern.leads_into(one[start:])
                    )
            level = sorted(following)


def _in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """Call for each item on a pool, with at most so many calls under way, and yield results in order."""
    window: deque[Future[Result]] = deque()
    for item in items:
        window.append(pool.submit(function, item))
        if len(window) == most:
            yield window.popleft().result()
    while window:
        yield window.popleft().result()


def _one_ahead(pool: Executor, items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, while the next one is made on a pool."""
    following = pool.submit(next, items, None)
    while (item := following.result()) is not None:
        following = pool.submit(next, items, None)
        yield item
