"""One model's frames become page turns: runs of frames in which a page probably turns, given all frames.

The time of a film's frame is its time in the film; the time of an image is its frame number. Both count in
thirtieths of a second, as phones film. A video of one frame has no neighbours: it has no smoothed
probability, no turns and no stills.

Knows columns of `schema.PREDICTIONS`, and ``seconds`` and ``group`` of `schema.MANIFEST`. Does not know
files, pixels or labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flipbatch.evaluation.smoothing import TurnRates, smoothed
from flipbatch.schema import EVENTS

FRAMES_PER_SECOND = 30

TURN_RATES = TurnRates(turn=26, rest=60)
"""In thirtieths of a second: means over 200 rendered turns of 0.5 to 1.5 s, in which a page is visibly in the
air for 0.9 s."""

TURNS = 0.5
"""The smoothed probability from which on a page turns."""


@dataclass(frozen=True)
class Stretches:
    """Runs of consecutive rows, each within one video, in order.

    Attributes
    ----------
    first, last : ndarray
        (S,), int64: the first and the last row of each.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, rows: NDArray[np.bool_], starts: NDArray[np.bool_]) -> Stretches:
        """Find the longest runs of rows that are set; a row in `starts` begins another video."""
        begins = rows & (starts | ~np.roll(rows, 1))
        ends = rows & (np.roll(starts, -1) | ~np.roll(rows, -1))
        return cls(np.flatnonzero(begins), np.flatnonzero(ends))

    def __len__(self) -> int:
        return len(self.first)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of rows of each, (S,)."""
        return self.last - self.first + 1

    def of_rows(self, rows: int) -> NDArray[np.int64]:
        """Return the number of the stretch that each of so many rows is in, (rows,); -1 in none."""
        steps = np.zeros(rows + 1, np.int64)
        steps[self.first] += 1
        steps[self.last + 1] -= 1
        inside = np.cumsum(steps[:-1]) > 0
        begun = np.cumsum(np.bincount(self.first, minlength=rows)[:rows]) - 1
        return np.where(inside, begun, -1)

    def number_in(self, videos: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each stretch within its video, from 0; `videos` are the videos of all rows."""
        video = videos[self.first]
        return np.arange(len(self)) - np.searchsorted(video, video)


@dataclass(frozen=True)
class FilmFrames:
    """All frames of whole videos, smoothed: N rows, in order.

    Attributes
    ----------
    rows : pyarrow.Table
        ``video_id``, ``frame_number``, ``uri``, ``seconds``, ``group`` and more; frames of one video
        consecutive.
    own : ndarray
        (N,), float32: the model's probabilities; NaN where a frame has none.
    starts : ndarray
        (N,), bool: whether a video starts with this row.
    times : ndarray
        (N,), float64, in thirtieths of a second.
    smoothed : ndarray
        (N,), float32; NaN in videos of one frame.
    """

    rows: pa.Table
    own: NDArray[np.float32]
    starts: NDArray[np.bool_]
    times: NDArray[np.float64]
    smoothed: NDArray[np.float32]

    @classmethod
    def of(cls, rows: pa.Table, probabilities: pa.ChunkedArray, threshold: float) -> FilmFrames:
        """Smooth a model's probabilities: (N,), float32, null where a frame has none."""
        own = probabilities.to_numpy().astype(np.float32)
        starts = _starts(rows["video_id"])
        times = _times(rows, starts)
        found = smoothed(own.astype(np.float64), times, starts, TURN_RATES, threshold).astype(np.float32)
        found[starts & np.roll(starts, -1)] = np.nan  # one frame alone
        return cls(rows, own, starts, times, found)

    @cached_property
    def videos(self) -> NDArray[np.int64]:
        """The video of each row, (N,), counted from 0."""
        return np.cumsum(self.starts) - 1

    @cached_property
    def turning(self) -> NDArray[np.bool_]:
        """Whether a page turns in each frame, (N,)."""
        return self.smoothed >= TURNS

    @cached_property
    def turns(self) -> Stretches:
        """The page turns."""
        return Stretches.of(self.turning, self.starts)

    @cached_property
    def rests(self) -> Stretches:
        """The stretches before, between and after page turns."""
        return Stretches.of(self.smoothed < TURNS, self.starts)


def _starts(video_ids: pa.ChunkedArray) -> NDArray[np.bool_]:
    codes = video_ids.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.diff(codes, prepend=-1) != 0


def _times(rows: pa.Table, starts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the time of each frame; one that its film does not have is shown with the frame before it."""
    seconds = rows["seconds"].to_numpy().astype(np.float64)
    videos = np.cumsum(starts) - 1
    of_film = np.bincount(videos, weights=~np.isnan(seconds))[videos] > 0 if len(videos) else starts
    known = np.where(of_film & np.isnan(seconds) & ~starts, 0, np.arange(len(seconds)))
    filled = np.nan_to_num(seconds[np.maximum.accumulate(known)])
    return np.where(of_film, filled * FRAMES_PER_SECOND, rows["frame_number"].to_numpy())


def event_table(frames: FilmFrames, model: str) -> pa.Table:
    """Return the page turns as `schema.EVENTS`, in the order of the rows.

    The peak is the frame with the highest smoothed probability; of several, the one with the highest
    probability of its own, and of several again, the first.
    """
    turns, rows = frames.turns, frames.rows
    first, last, peak = turns.first, turns.last, _peaks(frames)
    numbers, seconds = rows["frame_number"], rows["seconds"]
    columns = {
        "model": pa.array([model] * len(turns), pa.string()),
        "video_id": rows["video_id"].take(pa.array(first)),
        "event": turns.number_in(frames.videos),
        "first_frame": numbers.take(pa.array(first)),
        "last_frame": numbers.take(pa.array(last)),
        "peak_frame": numbers.take(pa.array(peak)),
        "peak_probability": frames.smoothed[peak],
        "peak_uri": rows["uri"].take(pa.array(peak)),
        "frames": turns.lengths,
        "first_seconds": seconds.take(pa.array(first)),
        "last_seconds": seconds.take(pa.array(last)),
        "peak_seconds": seconds.take(pa.array(peak)),
        "group": rows["group"].take(pa.array(first)),
    }
    return pa.table(columns, schema=EVENTS)


def _peaks(frames: FilmFrames) -> NDArray[np.int64]:
    """Return the row of each turn's peak."""
    turn = frames.turns.of_rows(len(frames.own))
    rows = np.flatnonzero(turn >= 0)
    own = np.nan_to_num(frames.own[rows], nan=-1)
    ranked = rows[np.lexsort((rows, -own, -frames.smoothed[rows], turn[rows]))]
    return ranked[np.searchsorted(turn[ranked], np.arange(len(frames.turns)))]
