"""The files below a directory, or those that a glob pattern matches, become rows of a manifest.

Knows listings and names; opens no file and knows no table of the user.
"""

from __future__ import annotations

from collections.abc import Iterator

from flipbatch import storage
from flipbatch.frames.names import Root, parse_frame
from flipbatch.frames.notes import Notes
from flipbatch.frames.row_batches import NamedFile, Rows, row_batches
from flipbatch.storage.listing import ListedFile, list_files, listing_root


def listed_rows(uri: str, notes: Notes) -> Iterator[Rows]:
    """Return the rows of all files below a directory or pattern, in the order of the listing.

    Raises
    ------
    StorageError
        Where a directory can't be listed.
    """
    root = listing_root(uri)
    prefix, known = len(storage.join(root, "")), Root.of(root)
    return row_batches(_named(file, prefix, known) for file in list_files(uri))


def _named(file: ListedFile, prefix: int, root: Root) -> NamedFile:
    try:
        file.uri.encode()
    except UnicodeEncodeError:
        escaped = file.uri.encode(errors="backslashreplace").decode()
        return ListedFile(escaped, None), "not named in UTF-8, as paths in tables are"
    return file, parse_frame(file.uri[prefix:], root)
