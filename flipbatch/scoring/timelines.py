"""The timeline of a video in a few values: how probable a flip is from its first frame to its last.

Knows the columns of predictions. Does not know files or markup. A timeline has at most `STRETCHES` values,
however long the video is.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flipbatch.evaluation.columns import equals
from flipbatch.schema import Label

STRETCHES = 40
LEVELS = 9
"""Probability 1. Probability 0 is level 0."""

NO_LEVEL = 255
"""No frame of the stretch has a probability."""

TIMELINES = pa.schema(
    [
        pa.field("levels", pa.list_(pa.uint8()), nullable=False),
        pa.field("truth", pa.list_(pa.bool_()), nullable=False),
        pa.field("turns", pa.list_(pa.bool_()), nullable=False),
    ]
)
"""One row per video. Each value is of a stretch of frames, all about equally long; a video of at most
`STRETCHES` frames has one value per frame. ``levels`` has the largest probability, 0 to `LEVELS` or
`NO_LEVEL`; ``truth`` says whether a frame is labelled ``flip``, and ``turns`` whether one is in a page turn
that was found."""


def timelines(predictions: pa.Table, turning: NDArray[np.bool_] | None = None) -> pa.Table:
    """Return the timeline of each video.

    Parameters
    ----------
    predictions : pyarrow.Table
        `schema.PREDICTIONS` of one model and whole videos, sorted.
    turning : ndarray, optional
        (N,), bool: whether each row is in a page turn that was found.

    Returns
    -------
    pyarrow.Table
        `TIMELINES`, in the order of the videos.
    """
    if not predictions.num_rows:
        return TIMELINES.empty_table()
    firsts = _starts(predictions["video_id"])
    ends = np.append(firsts[1:], predictions.num_rows)
    starts, per_video = _stretches(firsts, ends)
    probability = predictions["flip_probability"].to_numpy().astype(np.float32)
    flips = equals(predictions["label"], Label.FLIP)
    found = np.zeros_like(flips) if turning is None else turning
    offsets = np.append(0, np.cumsum(per_video)).astype(np.int32)
    values = [
        _levels(np.fmax.reduceat(probability, starts)),
        *(pa.array(np.logical_or.reduceat(rows, starts)) for rows in (flips, found)),
    ]
    lists = [pa.ListArray.from_arrays(pa.array(offsets), of_stretches) for of_stretches in values]
    return pa.table(lists, schema=TIMELINES)


def _starts(video_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the first row of each video."""
    codes = video_ids.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _stretches(
    firsts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each stretch, and the number of stretches of each video."""
    frames = ends - firsts
    per_video = np.minimum(frames, STRETCHES)
    video = np.repeat(np.arange(len(firsts)), per_video)
    index = np.arange(len(video)) - (np.cumsum(per_video) - per_video)[video]
    return firsts[video] + index * frames[video] // per_video[video], per_video


def _levels(probability: NDArray[np.float32]) -> pa.Array:
    known = ~np.isnan(probability)
    levels = np.full(len(probability), NO_LEVEL, dtype=np.uint8)
    levels[known] = np.round(probability[known] * LEVELS).astype(np.uint8)
    return pa.array(levels)
