"""Listing: every file below a directory, every file that a pattern matches, or one file.

Walks directories, many at once, and follows links; passes over hidden folders and those of systems, unless
they are asked for by name. Counts what the storage names. Knows nothing of what files are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import starmap
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

from flipbatch.errors import StorageError
from flipbatch.storage.backends import Backend, backend_of
from flipbatch.storage.directory import Directory, Page
from flipbatch.storage.patterns import WILDCARD, Pattern
from flipbatch.storage.reasons import first_line, storage_errors
from flipbatch.storage.retries import with_retries
from flipbatch.storage.system_names import is_passed_over
from flipbatch.storage.uris import is_local, parent, start_of_names

LISTINGS_IN_FLIGHT = 16

_WEB = ("http://", "https://")
"""Names in these URIs are quoted, such as ``%40eaDir``."""

Item = TypeVar("Item")
Result = TypeVar("Result")


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


class PassedOver(Enum):
    """Why a folder is passed over."""

    SYSTEM = "hidden, or of a system"
    LINK = "listed under another name"


Report = Callable[[PassedOver, str], None]
"""Is given each folder that is passed over, relative to the root."""


def _keep_quiet(_: PassedOver, __: str) -> None:
    pass


@dataclass
class Listing:
    """What a URI asks for.

    Attributes
    ----------
    uri : str
    root : str
        The directory: that of a pattern is before its first wildcard, that of a file holds it.
    pattern : Pattern or None
    file : ListedFile or None
        The one file, if the URI names a file.
    named : int
        How many names the storage answered, so far.
    explained : int
        How many of them are no files that `files` should yield.
    matched_folder : str or None
        The first folder that the pattern matches, relative to the root, so far; what is in it does not match.
    """

    uri: str
    root: str
    pattern: Pattern | None = None
    file: ListedFile | None = None
    named: int = 0
    explained: int = 0
    matched_folder: str | None = None
    _flat_folders: set[str] = field(default_factory=set)

    @property
    def start(self) -> int:
        """The number of characters in front of paths relative to the root."""
        return len(start_of_names(self.root))

    @property
    def expected(self) -> int:
        """The number of files that `files` should have yielded, by the storage's own count."""
        return self.named - self.explained

    def files(self, report: Report = _keep_quiet) -> Iterator[ListedFile]:
        """Yield the files, once.

        Directories are listed side by side. Links are followed, and each local directory is listed once:
        under the shortest of its names, of equally deep ones the one that is no link, else the first. Memory
        does not grow with the number of objects in a directory of S3.

        Raises
        ------
        StorageError
            Any directory can't be listed: a part of the frames is never taken for the whole.
        """
        for files in self.pages(report):
            yield from starmap(ListedFile, files)

    def pages(self, report: Report = _keep_quiet) -> Iterator[Iterable[tuple[str, str | None]]]:
        """Yield the same files, some at a time: `directory.SizedFiles`, or others by one."""
        if self.file is not None:
            self.named += 1
            yield [self.file]
            return
        with storage_errors(f"list {self.uri}"):
            yield from self._walk(report)

    def _walk(self, report: Report) -> Iterator[Iterable[tuple[str, str | None]]]:
        """Walk breadth first, level by level, so that the order never depends on which listing is quicker."""
        seen, level = set(), [self.root]
        listed = partial(self._list, backend_of(self.root))
        with ThreadPoolExecutor(LISTINGS_IN_FLIGHT, thread_name_prefix="list") as pool:
            while level:
                following: list[str] = []
                links: set[str] = set()
                directories = _in_order(pool, listed, level, LISTINGS_IN_FLIGHT)
                for folder, directory in zip(level, directories, strict=True):
                    self.explained += folder != self.root
                    if directory.identity in seen:
                        report(PassedOver.LINK, folder[self.start :])
                        continue
                    seen.add(directory.identity)
                    with self._refusals(folder):
                        for page in _one_ahead(pool, directory.pages):
                            yield self._files_of(page, report)
                            following += self._folders_of(page, report)
                            links.update(page.links)
                level = sorted(following, key=lambda folder, links=links: (folder in links, folder))

    def _list(self, backend: Backend, folder: str) -> Directory:
        with self._refusals(folder):
            return backend.list_directory(folder)

    def _files_of(self, page: Page, report: Report) -> Iterable[tuple[str, str | None]]:
        self.named += page.entries
        self.explained += page.others
        return self._chosen(page.files, page, report) if self.pattern or page.is_flat else page.files

    def _chosen(
        self, files: Iterable[tuple[str, str | None]], page: Page, report: Report
    ) -> Iterator[tuple[str, str | None]]:
        """Yield the files that match the pattern and lie in no folder that is passed over."""
        start, pattern = self.start, self.pattern
        for file in files:
            path = file[0][start:]
            if (pattern is None or pattern.matches(path)) and not (
                page.is_flat and self._is_below_passed_over(path, report)
            ):
                yield file
            else:
                self.explained += 1

    def _folders_of(self, page: Page, report: Report) -> Iterator[str]:
        """Yield the folders of a page that are listed next."""
        for folder in sorted(page.directories):
            path = folder[self.start :]
            if self.pattern is not None and not self.pattern.leads_into(path):
                self.explained += 1
                if self.matched_folder is None and self.pattern.matches(path):
                    self.matched_folder = path
            elif self._is_passed_over(path):
                self.explained += 1
                report(PassedOver.SYSTEM, path)
            else:
                yield folder

    def _is_passed_over(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        if not is_passed_over(unquote(name) if self.root.startswith(_WEB) else name):
            return False
        return self.pattern is None or not self.pattern.spells_out(path)

    def _is_below_passed_over(self, file: str, report: Report) -> bool:
        """Return whether a folder above a file is passed over, and report each such folder once."""
        folders = file.split("/")[:-1]
        paths = ("/".join(folders[:depth]) for depth in range(1, len(folders) + 1))
        found = next((path for path in paths if self._is_passed_over(path)), None)
        if found is not None and found not in self._flat_folders:
            self._flat_folders.add(found)
            report(PassedOver.SYSTEM, found)
        return found is not None

    @contextmanager
    def _refusals(self, folder: str) -> Iterator[None]:
        """Name the folder below the root that may not be listed, and the way out."""
        try:
            yield
        except PermissionError as error:
            if folder == self.root:
                raise
            way_out = "make it readable (chmod +rx)" if is_local(folder) else "get the right to list it"
            raise StorageError(
                f"Can't list {self.uri}: permission was denied for {folder} ({first_line(error)}); "
                f"{way_out}, or give a glob pattern that does not match its name."
            ) from error


def open_listing(uri: str) -> Listing:
    """Find out whether a normalised URI is a directory, a file or a glob pattern.

    What is missing, or may not be looked at, is taken for a directory: listing it says what is wrong.

    Raises
    ------
    StorageError
        The storage doesn't answer.
    """
    with storage_errors(f"list {uri}"):
        backend, wildcard = backend_of(uri), WILDCARD.search(uri)
        if _answer(lambda: backend.is_directory(uri)):
            return Listing(uri, uri)
        if (file := _answer(lambda: ListedFile(uri, backend.version_of(uri)))) is not None:
            return Listing(uri, parent(uri), file=file)
        if wildcard is None:
            return Listing(uri, uri)
        root = parent(uri[: wildcard.start()])
        while root.endswith("/") and start_of_names(root) != root:
            root = root[:-1]  # empty components are a part of the pattern
        return Listing(uri, root, Pattern(uri[len(start_of_names(root)) :]))


def _answer(act: Callable[[], Result]) -> Result | None:
    try:
        return with_retries(act)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def list_files(uri: str) -> Iterator[ListedFile]:
    """List every file below a directory, every file that a glob pattern matches, or one file.

    Raises
    ------
    StorageError
        Any directory can't be listed: a part of the frames is never taken for the whole.
    """
    yield from open_listing(uri).files()


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
