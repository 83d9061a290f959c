"""Checks of sorted rows: each video is in one group, and each frame number of a video is one file.

Knows rows of `schema.MANIFEST`, sorted and in batches. Memory holds one row more than a batch.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.frames.names import default_group
from flipbatch.frames.notes import EXAMPLES, Notes
from flipbatch.frames.short_uris import below
from flipbatch.schema import MANIFEST

_COLUMNS = ["video_id", "frame_number", "uri", "group"]

_SAME_FRAME = (
    "{count} {file has|files have} the video and the frame number of another file, and "
    "{counts as a frame of its|count as frames of their} own: {examples}."
)


class SortedRowsCheck:
    """Checks rows that are sorted by (video_id, frame_number, uri) and come in batches.

    Parameters
    ----------
    notes : Notes
        Gets the files that have the video and the frame number of another one.
    source_uri : str
        The directory, pattern or table that rows come from: files are named below its directory.
    """

    def __init__(self, notes: Notes, source_uri: str) -> None:
        self._notes, self._source_uri = notes, source_uri
        self._first = ""  # URI of the first file with the video and the number of `_last`
        self._last = pa.RecordBatch.from_pylist([], pa.schema([MANIFEST.field(name) for name in _COLUMNS]))

    def add(self, rows: pa.RecordBatch) -> None:
        """Check the next rows.

        Raises
        ------
        InputError
            If two frames of a video have different groups.
        """
        rows = pa.concat_batches([self._last, rows.select(_COLUMNS)])
        self._last = rows.slice(max(0, rows.num_rows - 1))
        same_video = _equals_next(rows, "video_id")
        (conflicts,) = np.nonzero(same_video & ~_equals_next(rows, "group"))
        if len(conflicts):
            one, other = rows.slice(int(conflicts[0]), 2).to_pylist()
            raise _two_groups(one["video_id"], one["group"], other["group"])
        self._count_repeated(rows, same_video & _equals_next(rows, "frame_number"))

    def _count_repeated(self, rows: pa.RecordBatch, same_frame: np.ndarray) -> None:
        """Count files with the frame of the row before, (N - 1,) bool, and name the first file of it."""
        if not rows.num_rows:
            return
        starts = np.maximum.accumulate(np.where(np.append(False, same_frame), 0, np.arange(rows.num_rows)))
        uris = rows.column("uri")

        def first_uri(row: int) -> str:
            return self._first if starts[row] == 0 and self._first else uris[int(starts[row])].as_py()

        repeated = np.flatnonzero(same_frame) + 1
        if len(repeated):
            pairs = [(uris[row].as_py(), first_uri(row)) for row in repeated[: EXAMPLES + 1].tolist()]
            examples = [f"{self._below(one)} (also {self._below(first)})" for one, first in pairs]
            self._notes.count_all(_SAME_FRAME, examples, len(repeated))
        self._first = first_uri(rows.num_rows - 1)

    def _below(self, uri: str) -> str:
        return below(self._source_uri, uri)


def _equals_next(rows: pa.RecordBatch, column: str) -> np.ndarray:
    """Return for all rows but the last whether the next one has the same value, (N - 1,) bool."""
    return np.diff(rows.column(column).dictionary_encode().indices.to_numpy()) == 0


def _two_groups(video_id: str, one: str, other: str) -> InputError:
    default = default_group(video_id)
    hint = f" (an empty cell means {default})" if default in (one, other) else ""
    return InputError(
        f"The manifest puts video {video_id} into two groups, {one} and {other}{hint}: give all frames of a "
        "video the same group."
    )
