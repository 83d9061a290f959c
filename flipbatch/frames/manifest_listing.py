"""What a directory, a glob pattern or the URI of one file lists becomes rows of a manifest.

Knows listings and names; opens no file and knows no table of the user. Every name that the storage answered
is a row, a misnamed file or a folder, or the manifest is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from flipbatch.errors import StorageError
from flipbatch.frames.listed_batches import listed_batches
from flipbatch.frames.names import FrameName, Root, parse_frame
from flipbatch.frames.notes import Notes
from flipbatch.frames.row_batches import NamedFile, Rows
from flipbatch.storage.listing import ListedFile, Listing, PassedOver, open_listing

_PASSED_OVER = {
    PassedOver.SYSTEM: "{count} hidden or system {folder was|folders were} passed over: {examples}.",
    PassedOver.LINK: "{count} {link to a folder that has|links to folders that have} another name here "
    "{was|were} passed over: {examples}.",
}
_EMPTY_NAMES = (
    "{count} {frame is|frames are} in a folder with an empty name (//), which is part of the video_id: "
    "{examples}."
)

_FOLDERS_ONLY = (
    "The pattern matches folders, such as {examples}, but it must match files: add /* for the files in them, "
    "or /** for all below them."
)


def listed_rows(uri: str, notes: Notes) -> Iterator[Rows]:
    """Return the rows of all files that a URI lists, in the order of the listing.

    Raises
    ------
    StorageError
        If a directory can't be listed, or if names that the storage answered are missing in the rows.
    """
    listing = open_listing(uri)
    pages = listing.pages(lambda why, folder: notes.count(_PASSED_OVER[why], _printed(folder)))
    root = Root.of(listing.root)
    rows = listed_batches(pages, listing.start, root, lambda file: _named(file, listing.start, root, notes))
    return _complete(rows, listing, notes)


def _named(file: ListedFile, start: int, root: Root, notes: Notes) -> NamedFile:
    try:
        file.uri.encode()
    except UnicodeEncodeError:
        return ListedFile(_printed(file.uri), None), "not named in UTF-8, as paths in tables are"
    path = file.uri[start:]
    if path.endswith("/") or not path:
        return file, "without a name: a slash ends its key"
    name = parse_frame(path, root)
    if ("//" in path or path[0] == "/") and isinstance(name, FrameName):
        notes.count(_EMPTY_NAMES, file.uri)
    return file, name


def _printed(path: str) -> str:
    return path.encode(errors="backslashreplace").decode()


def _complete(rows: Iterator[Rows], listing: Listing, notes: Notes) -> Iterator[Rows]:
    """Pass rows on, and compare their number with the storage's own count at the end.

    If no file is a frame, and the pattern matches folders, that is said.
    """
    held = frames = 0
    for some in rows:
        found = some.frames.num_rows + len(some.films)
        frames += found
        held += found + some.misnamed.num_rows
        yield some
    if held != listing.expected:
        raise StorageError(
            f"{listing.uri} lists {listing.expected:,} files, but {held:,} of them became rows: this storage "
            "names files in a way that flipbatch does not know; give a --manifest of their URIs."
        )
    if not frames and listing.matched_folder is not None:
        notes.count(_FOLDERS_ONLY, _printed(listing.matched_folder))
