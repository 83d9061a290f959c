"""The frame to keep of each stretch between two page turns: what a scanner would photograph.

A hand that passes covers some cells of a thumbnail. So a frame whose thumbnail is near the median of its
stretch is one that little covers; of the nearer half, the sharpest frame is kept. Frames beside a turn are
left out where there are others, because the page may still move.

A hand that lies in the same place during most of a stretch is in the median, too: it is not noticed.

Knows smoothed frames, and columns ``sharpness`` and ``thumbnail``. Does not know pixels, files or labels.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flipbatch.evaluation.page_turns import FilmFrames
from flipbatch.schema import STILLS

EDGE = 6
"""Thirtieths of a second beside a turn in which a page may still move."""

MOST_COMPARED = 4096
"""Frames of a stretch that are compared, evenly spaced in a longer one: this bounds the memory."""


def still_table(frames: FilmFrames, model: str) -> pa.Table:
    """Return the stretches between page turns as `schema.STILLS`, in the order of the rows."""
    rests, rows = frames.rests, frames.rows
    first, last = pa.array(rests.first), pa.array(rests.last)
    kept = pa.array(_kept_rows(frames), pa.int64())
    columns = {
        "model": pa.array([model] * len(rests), pa.string()),
        "video_id": rows["video_id"].take(first),
        "still": rests.number_in(frames.videos),
        "first_frame": rows["frame_number"].take(first),
        "last_frame": rows["frame_number"].take(last),
        "frames": rests.lengths,
        **{name: rows[name].take(kept) for name in ("frame_number", "uri", "seconds", "sharpness")},
        "flip_probability": pa.array(frames.own, from_pandas=True).take(kept),
        "group": rows["group"].take(first),
    }
    return pa.table(columns, schema=STILLS)


def _kept_rows(frames: FilmFrames) -> list[int | None]:
    """Return the row to keep of each rest; None where no frame has a probability."""
    sharpness = frames.rows["sharpness"].to_numpy().astype(np.float64)
    thumbnails = _thumbnails(frames.rows["thumbnail"])
    kept: list[int | None] = []
    for first, last in zip(frames.rests.first.tolist(), frames.rests.last.tolist(), strict=True):
        rows = first + np.flatnonzero(~np.isnan(frames.own[first : last + 1]))
        rows = _away_from_turns(rows, frames.times, first, last)
        kept.append(_best(rows, sharpness, thumbnails, frames.own))
    return kept


def _thumbnails(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """Return thumbnails, (N, cells); zeros where there is none."""
    width = column.type.byte_width
    filled = column.fill_null(bytes(width)).combine_chunks()
    cells = np.frombuffer(filled.buffers()[1] or b"", np.uint8).reshape(-1, width)
    return cells[filled.offset : filled.offset + len(filled)]


def _away_from_turns(
    rows: NDArray[np.int64], times: NDArray[np.float64], first: int, last: int
) -> NDArray[np.int64]:
    inner = rows[(times[rows] >= times[first] + EDGE) & (times[rows] <= times[last] - EDGE)]
    return inner if len(inner) else rows


def _best(
    rows: NDArray[np.int64],
    sharpness: NDArray[np.float64],
    thumbnails: NDArray[np.uint8],
    own: NDArray[np.float32],
) -> int | None:
    """Return the sharpest of the rows that little covers; without sharpness, the least probable flip."""
    if not len(rows):
        return None
    seen = rows[~np.isnan(sharpness[rows])]
    if not len(seen):
        return int(rows[np.argmin(own[rows])])
    seen = seen[:: -(-len(seen) // MOST_COMPARED)]
    uncovered = seen[_near_the_median(thumbnails[seen])]
    return int(uncovered[np.argmax(sharpness[uncovered])])


def _near_the_median(thumbnails: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which thumbnails, (N, cells), are the half that is nearer to the median of each cell."""
    distances = np.abs(thumbnails - np.median(thumbnails, axis=0)).mean(axis=1)
    return distances <= np.median(distances)
