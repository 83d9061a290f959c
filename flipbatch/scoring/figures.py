"""The figures of a run that a report shows, as mergeable sums: histograms, videos, the first errors.

Knows the columns of predictions and videos. Does not know files, metrics or markup. The size of each sum does
not depend on the number of frames and videos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flipbatch.evaluation.columns import equals
from flipbatch.schema import Label, Status

Row = Mapping[str, Any]

BINS = 20
TOP_VIDEOS = 20
FIRST_ERRORS = 20

LABELS = (str(Label.FLIP), str(Label.NOTFLIP), "no label")
"""The rows of a histogram."""


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
    top : tuple of dict
        At most `TOP_VIDEOS` rows, `schema.VIDEOS`, sorted by number of wrong frames; in a run without labels,
        by number of frames predicted ``flip``.
    """

    videos: int = 0
    wrong_videos: int = 0
    flip_videos: int = 0
    flip_frames: int = 0
    top: tuple[Row, ...] = ()

    def __add__(self, other: VideoFigures) -> VideoFigures:
        return VideoFigures(
            videos=self.videos + other.videos,
            wrong_videos=self.wrong_videos + other.wrong_videos,
            flip_videos=self.flip_videos + other.flip_videos,
            flip_frames=self.flip_frames + other.flip_frames,
            top=tuple(sorted((*self.top, *other.top), key=_rank)[:TOP_VIDEOS]),
        )


def _rank(video: Row) -> tuple[int, str]:
    """Return the sort key of a top video. One without a wrong frame is of a run without labels."""
    wrong = video["fp"] + video["fn"]
    return -(wrong or video["predicted_flip_frames"]), video["video_id"]


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


def video_figures(videos: pa.Table, by_wrong_frames: bool) -> VideoFigures:
    """Sum up the videos of one model.

    Parameters
    ----------
    videos : pyarrow.Table
        `schema.VIDEOS`.
    by_wrong_frames : bool
        Whether the run has labels: videos are ranked by their wrong frames, else by those predicted ``flip``.
    """
    wrong = videos["fp"].to_numpy() + videos["fn"].to_numpy()
    flips = videos["predicted_flip_frames"].to_numpy()
    return VideoFigures(
        videos=videos.num_rows,
        wrong_videos=int(np.count_nonzero(wrong)),
        flip_videos=int(np.count_nonzero(equals(videos["prediction"], Label.FLIP))),
        flip_frames=int(flips.sum()),
        top=_top(videos, wrong if by_wrong_frames else flips),
    )


def _top(videos: pa.Table, rank: NDArray[np.int64]) -> tuple[Row, ...]:
    # A stable sort: of videos with the same rank, the first by video_id come first.
    first = np.argsort(-rank, kind="stable")[:TOP_VIDEOS]
    rows = videos.take(pa.array(first[rank[first] > 0])).to_pylist()
    return tuple(sorted(rows, key=_rank))


def first_errors(rows: pa.Table) -> tuple[FrameError, ...]:
    """Return the first frames without a probability, in the order of the rows.

    Parameters
    ----------
    rows : pyarrow.Table
        Columns ``uri``, ``status`` and ``error``.
    """
    failed = rows.select(["uri", "status", "error"]).filter(pa.array(~equals(rows["status"], Status.OK)))
    return tuple(FrameError(**row) for row in failed.slice(0, FIRST_ERRORS).to_pylist())
