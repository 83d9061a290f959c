"""Files, each with its name or the reason why it is not a frame, become batches of manifest rows.

Knows the two tables of a manifest (`schema.MANIFEST` and `schema.MISNAMED`); knows no listing and no file of
the user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa

from flipbatch.frames.names import Folders, FrameName, default_group
from flipbatch.schema import MANIFEST, MISNAMED, Label, Split
from flipbatch.storage.listing import ListedFile

ROWS_PER_BATCH = 16_384

NamedFile = tuple[ListedFile, FrameName | str]
"""A file, and either its name as a frame or why it is not a frame."""

NamedFilm = tuple[ListedFile, FrameName]
"""A film, and what its path says about each of its frames."""

Reading = tuple[Folders, Label | None, Split | None]
"""The folders of a frame, and the label and the split that it has."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a manifest, and some of the other files, in no order; films that are no rows yet.

    Attributes
    ----------
    frames : pyarrow.RecordBatch
        `schema.MANIFEST`.
    misnamed : pyarrow.RecordBatch
        `schema.MISNAMED`.
    readings : Counter of Reading
        How many frames have been read so.
    films : tuple of NamedFilm
        `film_rows` makes rows of their frames.
    """

    frames: pa.RecordBatch
    misnamed: pa.RecordBatch
    readings: Counter[Reading] = field(default_factory=Counter, compare=False, repr=False)
    films: tuple[NamedFilm, ...] = ()


def row_batches(files: Iterable[NamedFile]) -> Iterator[Rows]:
    """Return the rows of files, `ROWS_PER_BATCH` files at a time."""
    iterator = iter(files)
    while chunk := list(islice(iterator, ROWS_PER_BATCH)):
        yield rows_of(chunk)


def rows_of(files: list[NamedFile]) -> Rows:
    """Return the rows of some files."""
    named = [(file, name) for file, name in files if isinstance(name, FrameName)]
    frames = [(file, name) for file, name in named if not name.film]
    films = tuple((file, name) for file, name in named if name.film)
    others = [(file.uri, why) for file, why in files if isinstance(why, str)]
    misnamed = pa.record_batch([[uri for uri, _ in others], [why for _, why in others]], schema=MISNAMED)
    return Rows(_frames_batch(frames), misnamed, readings(name for _, name in frames), films)


def readings(names: Iterable[FrameName]) -> Counter[Reading]:
    """Count how frames have been read."""
    return Counter((name.folders, name.label, name.split) for name in names if name.folders)


def _frames_batch(frames: list[tuple[ListedFile, FrameName]]) -> pa.RecordBatch:
    columns = [
        [name.video_id for _, name in frames],
        [name.frame_number for _, name in frames],
        [file.uri for file, _ in frames],
        [name.label for _, name in frames],
        [name.split for _, name in frames],
        [file.version for file, _ in frames],
        [name.group or default_group(name.video_id) for _, name in frames],
        [None] * len(frames),
        [None] * len(frames),
    ]
    return pa.record_batch(columns, schema=MANIFEST)
