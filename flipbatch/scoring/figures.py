"""The figures of a run that a report shows, as mergeable sums: histograms, videos, the first errors.

Knows the columns of predictions and videos. Does not know files, metrics or markup. The size of each sum does
not depend on the number of frames and videos.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flipbatch.evaluation.columns import equals
from flipbatch.schema import VIDEOS, Label, Status
from flipbatch.scoring.timelines import TIMELINES, timelines

BINS = 20
TOP_VIDEOS = 10_000
FIRST_ERRORS = 20
"""Of each status."""

LABELS = (str(Label.FLIP), str(Label.NOTFLIP), "no label")
"""The rows of a histogram."""

RANKED_VIDEOS = pa.schema([*VIDEOS, *TIMELINES, pa.field("rank", pa.int64(), nullable=False)])
"""``rank`` is the number of wrong frames; in a run without labels, that of frames predicted ``flip``."""

_BY_RANK = [("rank", "descending"), ("video_id", "ascending")]


@dataclass(frozen=True)
class FrameError:
    """A frame without a probability.

    Attributes
    ----------
    uri, status, error : str
    """

    uri: str
    status: str
    error: str


@dataclass(frozen=True)
class VideoFigures:
    """Sums over the videos of one model, and the first of their ranking; figures of disjoint videos add.

    Attributes
    ----------
    videos, wrong_videos, flip_videos : int
        All videos; videos with a wrong frame; videos whose prediction is ``flip``.
    flip_frames : int
        Frames whose prediction is ``flip``.
    top : pyarrow.Table
        The `TOP_VIDEOS` videos of the highest ranks, `RANKED_VIDEOS`.
    """

    videos: int = 0
    wrong_videos: int = 0
    flip_videos: int = 0
    flip_frames: int = 0
    top: pa.Table = field(default_factory=RANKED_VIDEOS.empty_table)

    def __add__(self, other: VideoFigures) -> VideoFigures:
        return VideoFigures(
            videos=self.videos + other.videos,
            wrong_videos=self.wrong_videos + other.wrong_videos,
            flip_videos=self.flip_videos + other.flip_videos,
            flip_frames=self.flip_frames + other.flip_frames,
            top=_first_by_rank(pa.concat_tables([self.top, other.top])),
        )


def no_histogram() -> NDArray[np.int64]:
    """Return the histogram of no frames."""
    return np.zeros((len(LABELS), BINS), dtype=np.int64)


def histogram(predictions: pa.Table) -> NDArray[np.int64]:
    """Count the scored frames of one model by label and probability.

    Parameters
    ----------
    predictions : pyarrow.Table
        Columns ``label`` and ``flip_probability``.

    Returns
    -------
    ndarray
        int64 [3, BINS], rows as `LABELS`. The last bin includes probability 1.
    """
    scored = predictions.filter(predictions["flip_probability"].is_valid())
    probability = scored["flip_probability"].to_numpy().astype(np.float64)
    bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(_label_codes(scored["label"]) * BINS + bins, minlength=len(LABELS) * BINS)
    return counts.reshape(len(LABELS), BINS)


def _label_codes(labels: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the index of each label in `LABELS`."""
    known = pa.array(LABELS[:-1])
    codes = pc.index_in(labels, value_set=known)  # pyright: ignore[reportAttributeAccessIssue]
    return pc.fill_null(codes, len(known)).to_numpy().astype(np.int64)


def video_figures(
    predictions: pa.Table, videos: pa.Table, by_wrong_frames: bool, turning: NDArray[np.bool_] | None = None
) -> VideoFigures:
    """Sum up the videos of one model.

    Parameters
    ----------
    predictions, videos : pyarrow.Table
        `schema.PREDICTIONS` and `schema.VIDEOS` of the same videos in the same order.
    by_wrong_frames : bool
        Whether the run has labels: videos are ranked by their wrong frames, else by those predicted ``flip``.
    turning : ndarray, optional
        (N,), bool: whether each row of the predictions is in a page turn that was found.
    """
    wrong = videos["fp"].to_numpy() + videos["fn"].to_numpy()
    flips = videos["predicted_flip_frames"].to_numpy()
    columns = [*videos.columns, *timelines(predictions, turning).columns]
    ranked = pa.table([*columns, pa.array(wrong if by_wrong_frames else flips)], schema=RANKED_VIDEOS)
    return VideoFigures(
        videos=videos.num_rows,
        wrong_videos=int(np.count_nonzero(wrong)),
        flip_videos=int(np.count_nonzero(equals(videos["prediction"], Label.FLIP))),
        flip_frames=int(flips.sum()),
        top=_first_by_rank(ranked),
    )


def _first_by_rank(videos: pa.Table) -> pa.Table:
    return videos.sort_by(_BY_RANK).slice(0, TOP_VIDEOS).combine_chunks()


def first_errors(rows: pa.Table) -> tuple[FrameError, ...]:
    """Return the first frames without a probability of each status, in the order of the rows.

    Parameters
    ----------
    rows : pyarrow.Table
        Columns ``uri``, ``status`` and ``error``.
    """
    failed = rows.select(["uri", "status", "error"]).filter(pa.array(~equals(rows["status"], Status.OK)))
    statuses = failed["status"].unique().to_pylist()
    of_status = [np.flatnonzero(equals(failed["status"], status))[:FIRST_ERRORS] for status in statuses]
    first = np.sort(np.concatenate([np.empty(0, np.int64), *of_status]))
    return tuple(FrameError(**row) for row in failed.take(pa.array(first)).to_pylist())


def merged_errors(first: tuple[FrameError, ...], second: tuple[FrameError, ...]) -> tuple[FrameError, ...]:
    """Return the first frames of each status of two tuples, one after the other."""
    kept, counts = [], Counter[str]()
    for error in (*first, *second):
        counts[error.status] += 1
        if counts[error.status] <= FIRST_ERRORS:
            kept.append(error)
    return tuple(kept)
