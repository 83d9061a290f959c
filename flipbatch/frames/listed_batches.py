"""Listed files become batches of manifest rows, thousands of paths at a time.

Nearly all paths are plain: in ASCII, with an image's extension, named ``VideoID_FrameNumber``. Arrow takes
them apart, in a tenth of the time of `names.parse_frame`, and each folder is read once. All others are parsed
one by one. Both ways give the same rows.

Knows paths below a root, and the rows of `row_batches`. Knows no listing and no storage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, starmap
from typing import Any

import pyarrow as pa
import pyarrow.compute

from flipbatch.frames.names import IMAGE_EXTENSIONS, Root, default_group, read_folders
from flipbatch.frames.row_batches import ROWS_PER_BATCH, NamedFile, Reading, Rows, rows_of
from flipbatch.schema import FILM_FACTS, MANIFEST
from flipbatch.storage.directory import FileColumns, SizedFiles
from flipbatch.storage.listing import ListedFile

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none

# (?i) would take the long s for an s. Names that start with a dot, and folders without a name, are not plain.
_EXTENSION = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in one) for one in IMAGE_EXTENSIONS)
_PLAIN = rf"^(?:[!-.0-~ ]+/)*[!--0-~ ][!-.0-~ ]*_[0-9]{{1,18}}\.(?:{_EXTENSION})$"

Name = Callable[[ListedFile], NamedFile]
"""Gives the name of one file."""


def listed_batches(
    pages: Iterable[Iterable[tuple[str, str | None]]], start: int, root: Root, name: Name
) -> Iterator[Rows]:
    """Return the rows of listed files, at most `ROWS_PER_BATCH` files at a time.

    Parameters
    ----------
    pages : iterable of iterables of (str, str or None)
        Of `storage.listing.Listing.pages`.
    start : int
        The number of characters of a URI in front of the path below the root.
    root : Root
    name : callable
        Gives the name of a file whose path is not plain.
    """
    for files in _in_batches(_columns(pages)):
        if isinstance(files, list):
            yield rows_of([name(file) for file in files])
        else:
            yield _rows(files, start, root, name)


def _in_batches(
    pieces: Iterable[FileColumns | list[ListedFile]],
) -> Iterator[FileColumns | list[ListedFile]]:
    """Join short columns, such as those of many small folders, to batches; pass lists on."""
    pending: list[FileColumns] = []
    count = 0
    for piece in pieces:
        if isinstance(piece, list):
            yield piece
            continue
        pending.append(piece)
        count += len(piece.uris)
        if count >= ROWS_PER_BATCH:
            joined = _joined(pending)
            yield FileColumns(*(column.slice(0, ROWS_PER_BATCH) for column in joined))
            pending = [FileColumns(*(column.slice(ROWS_PER_BATCH) for column in joined))]
            count -= ROWS_PER_BATCH
    if count:
        yield _joined(pending)


def _joined(pieces: list[FileColumns]) -> FileColumns:
    return FileColumns(*(pa.concat_arrays(column) for column in zip(*pieces, strict=True)))


def _columns(pages: Iterable[Iterable[tuple[str, str | None]]]) -> Iterator[FileColumns | list[ListedFile]]:
    """Yield files as columns, or as a list where a name is not in UTF-8."""
    for page in pages:
        if isinstance(page, SizedFiles):
            try:
                yield from page.columns(ROWS_PER_BATCH)
                continue
            except UnicodeEncodeError:
                pass
        files = starmap(ListedFile, page)
        while chunk := list(islice(files, ROWS_PER_BATCH)):
            try:
                uris = pa.array([file.uri for file in chunk], pa.string())
            except UnicodeEncodeError:
                yield chunk
            else:
                yield FileColumns(uris, pa.array([file.version for file in chunk], pa.string()))


def _rows(files: FileColumns, start: int, root: Root, name: Name) -> Rows:
    uris, versions = files
    paths = pc.utf8_slice_codeunits(uris, start)
    plain = pc.match_substring_regex(paths, _PLAIN)
    others = pc.indices_nonzero(pc.invert(plain)).to_pylist()
    rest = rows_of([name(ListedFile(uris[row].as_py(), versions[row].as_py())) for row in others])
    if others:
        files = FileColumns(uris.filter(plain), versions.filter(plain))
        paths = paths.filter(plain)
    frames, readings = _plain_rows(paths, files, root)
    whole = pa.concat_batches([frames, rest.frames])
    return Rows(whole, rest.misnamed, readings + rest.readings, rest.films)


def _plain_rows(
    paths: pa.StringArray, files: FileColumns, root: Root
) -> tuple[pa.RecordBatch, Counter[Reading]]:
    # Splits take a third of the time of a regular expression with groups.
    stems, ends = _split(paths, "_")
    folders, videos = _split(pc.binary_join_element_wise("", stems, "/"), "/")
    numbers = pc.list_element(pc.split_pattern(ends, "."), 0)
    encoded = folders.dictionary_encode()
    read = [read_folders(f"{path}/"[1:], root) for path in encoded.dictionary.to_pylist()]
    columns = {
        "video_id": _prefixed([one.video_prefix for one in read], encoded.indices, videos),
        "frame_number": numbers.cast(pa.int64()),
        "uri": files.uris,
        "label": _taken([one.label for one in read], encoded.indices),
        "split": _taken([one.split for one in read], encoded.indices),
        "version": files.versions,
        "group": _prefixed([_group_prefix(one.video_prefix) for one in read], encoded.indices, videos),
        **{fact: pa.nulls(len(videos), MANIFEST.field(fact).type) for fact in FILM_FACTS},
    }
    counts = {row["values"]: row["counts"] for row in encoded.indices.value_counts().to_pylist()}
    readings = Counter({(one, one.label, one.split): counts[index] for index, one in enumerate(read)})
    batch = pa.record_batch([columns[column] for column in MANIFEST.names], schema=MANIFEST)
    return batch, readings


def _split(texts: pa.StringArray, at: str) -> tuple[pa.StringArray, pa.StringArray]:
    """Return what is before and behind the last separator of each text."""
    parts = pc.split_pattern(texts, at, max_splits=1, reverse=True)
    return pc.list_element(parts, 0), pc.list_element(parts, 1)


def _group_prefix(video_prefix: str) -> str:
    """Return what the default groups of the videos of a folder start with."""
    return default_group(f"{video_prefix}0")[:-1]


def _taken(values: list[Any], indices: pa.Array) -> pa.Array:
    return pa.array(values, pa.string()).take(indices)


def _prefixed(prefixes: list[str], indices: pa.Array, names: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_taken(prefixes, indices), names, "")
