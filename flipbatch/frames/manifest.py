"""A manifest says what will be read: one row per frame, from a listing or from a table of the user.

Knows the two sources and how their rows become one sorted table in memory (`load_manifest`); `manifest_rows`
gives the same rows unsorted and in batches, however many there are. Every listed file is a row of the
manifest or a row of the misnamed files. Opens no frame: `manifest_listing` and `manifest_table` make rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.groups import GroupCheck
from flipbatch.frames.manifest_listing import listed_rows
from flipbatch.frames.manifest_table import table_rows
from flipbatch.frames.notes import EXAMPLES, Notes
from flipbatch.frames.row_batches import ROWS_PER_BATCH, Rows
from flipbatch.schema import MANIFEST, MISNAMED, MISNAMED_ORDER, ORDER

__all__ = [
    "Manifest",
    "Rows",
    "list_frames",
    "load_manifest",
    "manifest_rows",
    "no_frames",
    "read_manifest",
    "source",
]

_MISNAMED = "{count} files are not frames, misnamed.parquet lists them with reasons: {examples}."
_WIDE = {pa.string(): pa.large_string()}


@dataclass(frozen=True)
class Manifest:
    """The frames that will be read, and the other files that were listed.

    Attributes
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, sorted by (video_id, frame_number, uri); each video is in one group.
    misnamed : pyarrow.Table
        `schema.MISNAMED`, sorted by uri.
    notes : tuple of str
        What users should know about them, a sentence each.
    """

    frames: pa.Table
    misnamed: pa.Table
    notes: tuple[str, ...] = ()

    @property
    def videos(self) -> int:
        """Number of videos."""
        return len(self.frames["video_id"].unique())


def list_frames(uri: str) -> Manifest:
    """List the frames below a directory, or those that a glob pattern matches.

    Raises
    ------
    InputError
        Where no file is a frame.
    StorageError
        Where a directory can't be listed.
    """
    return load_manifest(uri, None)


def read_manifest(uri: str) -> Manifest:
    """Read a manifest in Parquet, or in CSV with a header.

    Only the column ``uri`` is required; a relative one is below the manifest's own directory. Where another
    column or a cell is missing, the path says the value, as if the directory that all URIs share had been
    listed. A missing ``group`` is `names.default_group` of the video.

    Raises
    ------
    InputError
        Where the file is not a table; where a column, a label, a split or a frame number can't be read; or
        where a video is in two groups.
    StorageError
        Where the file can't be read.
    """
    return load_manifest(None, uri)


def load_manifest(frames_uri: str | None, manifest_uri: str | None) -> Manifest:
    """Build the manifest of a command's ``--frames`` or ``--manifest``, whichever is not None.

    Raises
    ------
    InputError, StorageError
    """
    notes = Notes()
    rows = manifest_rows(frames_uri, manifest_uri, notes)
    return _gather(rows, source(frames_uri, manifest_uri), notes)


def manifest_rows(frames_uri: str | None, manifest_uri: str | None, notes: Notes) -> Iterator[Rows]:
    """Return the rows of a manifest unsorted, at most `ROWS_PER_BATCH` at a time.

    What users should know is counted in `notes` while rows are taken. There may be no frame among them:
    `no_frames` is the error for that. A video may be in two groups: `groups.GroupCheck` refuses that once the
    rows are sorted.

    Raises
    ------
    InputError, StorageError
    """
    uri = source(frames_uri, manifest_uri)
    return table_rows(uri, notes) if manifest_uri is not None else listed_rows(uri, notes)


def source(frames_uri: str | None, manifest_uri: str | None) -> str:
    """Return the normalised URI that frames come from; a manifest goes before frames.

    Raises
    ------
    InputError
        Where both are None.
    """
    uri = frames_uri if manifest_uri is None else manifest_uri
    if uri is None:
        raise InputError("Neither frames nor a manifest were given: give --frames or --manifest.")
    return storage.normalise(uri)


def no_frames(source_uri: str, misnamed: int, first: pa.Table | pa.RecordBatch | None) -> InputError:
    """Return the error that no frame was found.

    Parameters
    ----------
    source_uri : str
    misnamed : int
        Number of rows of `schema.MISNAMED`.
    first : pyarrow.Table or pyarrow.RecordBatch or None
        The first of them, sorted; None where there are none.
    """
    if not misnamed or first is None:
        return InputError(f"No files were found below {source_uri}: check the path.")
    row = first.slice(0, 1).to_pylist()[0]
    return InputError(
        f"None of the {misnamed} files below {source_uri} is a frame named VideoID_FrameNumber.jpg: "
        f"{row['uri']} is {row['reason']}."
    )


def note_misnamed(notes: Notes, number: int, first: pa.Table | pa.RecordBatch | None) -> None:
    """Count the files that are not frames; `number` and `first` are as in `no_frames`."""
    if not number or first is None:
        return
    uris = first.column("uri").slice(0, EXAMPLES + 1).to_pylist()
    for index, uri in enumerate(uris):
        notes.count(_MISNAMED, uri, number - len(uris) + 1 if index == 0 else 1)


def _gather(rows: Iterable[Rows], source_uri: str, notes: Notes) -> Manifest:
    pieces = list(rows)
    frames = pa.Table.from_batches([piece.frames for piece in pieces], MANIFEST)
    misnamed = pa.Table.from_batches([piece.misnamed for piece in pieces], MISNAMED)
    misnamed = _sorted(misnamed, MISNAMED_ORDER)
    note_misnamed(notes, misnamed.num_rows, misnamed)
    manifest = Manifest(_sorted(frames, ORDER), misnamed, tuple(notes.lines()))
    if not frames.num_rows:
        raise no_frames(source_uri, misnamed.num_rows, manifest.misnamed)
    check = GroupCheck()
    for batch in manifest.frames.to_batches():
        check.add(batch)
    return manifest


def _sorted(table: pa.Table, order: list[tuple[str, str]]) -> pa.Table:
    """Sort in pieces: `pyarrow.Table.sort_by` fails on columns of 2 GiB, at some twenty million rows."""
    wide = pa.schema([field.with_type(_WIDE.get(field.type, field.type)) for field in table.schema])
    whole = table.cast(wide).combine_chunks()
    rows = pc.sort_indices(whole, sort_keys=order)  # pyright: ignore[reportAttributeAccessIssue]  (made at import)
    starts = range(0, len(rows), ROWS_PER_BATCH)
    pieces = (whole.take(rows.slice(start, ROWS_PER_BATCH)).cast(table.schema) for start in starts)
    return pa.concat_tables([table.schema.empty_table(), *pieces])
