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
from flipbatch.frames.film_rows import ALL_FRAMES, Thinning, with_films
from flipbatch.frames.folder_notes import with_folder_notes
from flipbatch.frames.manifest_listing import listed_rows
from flipbatch.frames.manifest_table import table_rows
from flipbatch.frames.notes import EXAMPLES, Notes
from flipbatch.frames.row_batches import ROWS_PER_BATCH, Rows
from flipbatch.frames.short_uris import below
from flipbatch.frames.sorted_rows import SortedRowsCheck
from flipbatch.frames.table_uris import is_windows_path
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

_MISNAMED = "{count} {file is not a frame|files are not frames}: {examples}."
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
        If no file is a frame.
    StorageError
        If a directory can't be listed.
    """
    return load_manifest(uri, None)


def read_manifest(uri: str) -> Manifest:
    """Read a manifest in Parquet, in CSV with a header, or in a directory of such files.

    Only the column ``uri`` is required; a relative one is below the directory that holds the manifest. Where
    another column or a cell is missing, the path says the value, as if the directory that all URIs share had
    been listed. A missing ``group`` is `names.default_group` of the video.

    Raises
    ------
    InputError
        If the file is not a table; if a column, a uri, a label, a split or a frame number can't be
        read; if a frame is in two rows; or if a video is in two groups.
    StorageError
        If the file can't be read.
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


def manifest_rows(
    frames_uri: str | None, manifest_uri: str | None, notes: Notes, thinning: Thinning = ALL_FRAMES
) -> Iterator[Rows]:
    """Return the rows of a manifest unsorted, at most `ROWS_PER_BATCH` at a time; films as `thinning` says.

    What users should know is counted in `notes` while rows are taken. There may be no frame among them:
    `no_frames` is the error for that. A video may be in two groups: `sorted_rows.SortedRowsCheck` refuses
    that once the rows are sorted.

    Raises
    ------
    InputError, StorageError
    """
    uri = source(frames_uri, manifest_uri)
    rows = table_rows(uri, notes) if manifest_uri is not None else listed_rows(uri, notes)
    return with_folder_notes(with_films(rows, thinning), notes)


def source(frames_uri: str | None, manifest_uri: str | None) -> str:
    """Return the normalised URI that frames come from; a manifest goes before frames.

    Raises
    ------
    InputError
        If both are None, or if it is a path of Windows that is not here.
    """
    uri = frames_uri if manifest_uri is None else manifest_uri
    if uri is None:
        raise InputError("Neither frames nor a manifest were given: give --frames or --manifest.")
    normal = storage.normalise(uri)
    if is_windows_path(uri) and not storage.exists(storage.normalise(uri.split("/")[0] or "/")):
        raise InputError(
            f"{uri} is a path of Windows: give the path that its files have on this system, such as "
            "/mnt/c/frames."
        )
    return normal


def no_frames(
    source_uri: str, notes: Notes, misnamed: int, first: pa.Table | pa.RecordBatch | None
) -> InputError:
    """Return the error that no frame was found.

    Parameters
    ----------
    source_uri : str
    notes : Notes
        Say what was passed over.
    misnamed : int
        Number of rows of `schema.MISNAMED`.
    first : pyarrow.Table or pyarrow.RecordBatch or None
        The first of them, sorted; None where there are none.
    """
    if not misnamed or first is None:
        return InputError(
            " ".join([f"No files were found below {source_uri}: check the path.", *notes.lines()])
        )
    row = first.slice(0, 1).to_pylist()[0]
    if row["uri"] == source_uri:
        return InputError(
            f"{source_uri} is not a frame named VideoID_FrameNumber.jpg: it is {row['reason']}."
        )
    none = "The only file below" if misnamed == 1 else f"None of the {misnamed:,} files below"
    is_no = "is not a frame" if misnamed == 1 else "is a frame"
    sentence = f"{none} {source_uri} {is_no} named VideoID_FrameNumber.jpg: {row['uri']} is {row['reason']}."
    return InputError(" ".join([sentence, *notes.lines()]))


def note_misnamed(
    notes: Notes, source_uri: str, number: int, first: pa.Table | pa.RecordBatch | None
) -> None:
    """Count the files that are not frames: `number` of them. The other arguments are as in `no_frames`."""
    if not number or first is None:
        return
    uris = first.column("uri").slice(0, EXAMPLES + 1).to_pylist()
    notes.count_all(_MISNAMED, [below(source_uri, uri) for uri in uris], number)


def _gather(rows: Iterable[Rows], source_uri: str, notes: Notes) -> Manifest:
    pieces = list(rows)
    frames = pa.Table.from_batches([piece.frames for piece in pieces], MANIFEST)
    misnamed = pa.Table.from_batches([piece.misnamed for piece in pieces], MISNAMED)
    misnamed = _sorted(misnamed, MISNAMED_ORDER)
    if not frames.num_rows:
        raise no_frames(source_uri, notes, misnamed.num_rows, misnamed)
    note_misnamed(notes, source_uri, misnamed.num_rows, misnamed)
    frames = _sorted(frames, ORDER)
    check = SortedRowsCheck(notes, source_uri)
    for batch in frames.to_batches():
        check.add(batch)
    return Manifest(frames, misnamed, tuple(notes.lines()))


def _sorted(table: pa.Table, order: list[tuple[str, str]]) -> pa.Table:
    """Sort in pieces: `pyarrow.Table.sort_by` fails on columns of 2 GiB, at some twenty million rows."""
    wide = pa.schema([field.with_type(_WIDE.get(field.type, field.type)) for field in table.schema])
    whole = table.cast(wide).combine_chunks()
    rows = pc.sort_indices(whole, sort_keys=order)  # pyright: ignore[reportAttributeAccessIssue]  (made at import)
    starts = range(0, len(rows), ROWS_PER_BATCH)
    pieces = (whole.take(rows.slice(start, ROWS_PER_BATCH)).cast(table.schema) for start in starts)
    return pa.concat_tables([table.schema.empty_table(), *pieces])
