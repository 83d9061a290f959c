"""Frames of one model become one row per video, and rows per video become a tally.

Works on columns, never frame by frame. Knows the tables of `flipbatch.schema`. Does not know files, or where
probabilities and thresholds come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flipbatch.evaluation.columns import equals
from flipbatch.evaluation.tally import ModelTally
from flipbatch.evaluation.threshold import is_flip
from flipbatch.schema import VIDEOS, Label, Status


def videos_of(predictions: pa.Table, model: str, threshold: float) -> pa.Table:
    """Sum up each video's frames.

    Parameters
    ----------
    predictions
        Rows of one model, schema `PREDICTIONS` and column ``group``, frames of one video consecutive
        (as they are when sorted).
    model
        Its name.
    threshold
        In [0, 1]. A video is ``flip`` if its mean probability is at or above it (`threshold.is_flip`); the
        frames' predictions are read from column ``prediction``.

    Returns
    -------
    pa.Table
        Schema `VIDEOS`, videos in the order of the input. A video's label is that of its labelled frames if
        there are any and they agree, else null; its group is that of its first frame. Counts are over frames
        both labelled and scored.
        ``mean_probability``, ``max_probability`` and ``prediction`` are null if no frame was scored;
        precision, recall and f1 are null if their denominator is 0.

    Raises
    ------
    ValueError
        If a video's frames are not consecutive.
    """
    runs = _Runs.of(predictions["video_id"])
    columns = {"model": pa.array([model] * len(runs), pa.string()), "video_id": runs.video_ids}
    columns |= _labels_and_scores(predictions, runs, threshold)
    columns |= _counts(predictions, runs)
    columns["group"] = predictions["group"].take(pa.array(runs.starts))
    return pa.table(columns).select(VIDEOS.names).cast(VIDEOS)


def tally(videos: pa.Table) -> ModelTally:
    """Tally the videos of one model.

    Parameters
    ----------
    videos
        Schema `VIDEOS`, rows of one model, each video once; any number of rows.

    Returns
    -------
    ModelTally
        Frames from tp, fp, fn, tn; a video's own prediction counts if both its label and its prediction are
        known. Intervals are clustered by column ``group``.

    Raises
    ------
    ValueError
        If there are rows of more than one model.
    """
    models = videos["model"].unique().to_pylist()
    if len(models) > 1:
        raise ValueError(f"a tally is of one model, but these videos are of {', '.join(sorted(models))}")
    frames = np.stack([videos[name].to_numpy() for name in ("tp", "fp", "fn", "tn")], axis=1)
    truth, predicted = _Flips.of(videos["label"]), _Flips.of(videos["prediction"])
    outcomes = np.stack(_outcomes(truth, predicted), axis=1)
    return ModelTally.of(videos["group"].to_pylist(), frames, outcomes)


@dataclass(frozen=True)
class _Runs:
    """The rows of each video.

    Parameters
    ----------
    video_ids
        string [V].
    starts
        int64 [V], the first row of each video.
    video_of_row
        int64 [N], the video of each row, counted from 0.
    """

    video_ids: pa.Array
    starts: NDArray[np.int64]
    video_of_row: NDArray[np.int64]

    @classmethod
    def of(cls, video_ids: pa.ChunkedArray) -> _Runs:
        encoded = video_ids.dictionary_encode().combine_chunks()
        codes = encoded.indices.to_numpy()
        first = np.ones(len(codes), dtype=bool)
        first[1:] = codes[1:] != codes[:-1]
        starts = np.flatnonzero(first)
        ids = encoded.dictionary.take(pa.array(codes[starts]))
        _check_distinct(ids)
        return cls(ids, starts, np.cumsum(first) - 1)

    def __len__(self) -> int:
        return len(self.starts)

    def count(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the rows of each video that are set: bool [N] to int64 [V]."""
        return np.bincount(self.video_of_row[rows], minlength=len(self))

    def sum(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Add up each video's rows in order, so that the last bit is defined: float32 [N] to float64 [V]."""
        return np.bincount(self.video_of_row, weights=values, minlength=len(self))

    def max(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the largest of each video's rows: float32 [N] to float32 [V]."""
        return np.maximum.reduceat(values, self.starts)


def _check_distinct(video_ids: pa.Array) -> None:
    repeated = (item["values"] for item in video_ids.value_counts().to_pylist() if item["counts"] > 1)
    video_id = next(repeated, None)
    if video_id is not None:
        raise ValueError(f"frames of video {video_id!r} are not consecutive: sort predictions by video_id")


@dataclass(frozen=True)
class _Flips:
    """A column of labels as two masks, bool [N]; neither is set where the label is null."""

    flip: NDArray[np.bool_]
    notflip: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: pa.ChunkedArray) -> _Flips:
        return cls(equals(labels, Label.FLIP), equals(labels, Label.NOTFLIP))

    def to_column(self) -> pa.Array:
        """Return the labels as string [N], null where neither mask is set."""
        words = np.where(self.flip, str(Label.FLIP), str(Label.NOTFLIP))
        return pa.array(words, pa.string(), mask=~(self.flip | self.notflip))


def _outcomes(truth: _Flips, predicted: _Flips) -> tuple[NDArray[np.bool_], ...]:
    """Return masks of tp, fp, fn, tn; none is set where either side is null."""
    return (
        truth.flip & predicted.flip,
        truth.notflip & predicted.flip,
        truth.flip & predicted.notflip,
        truth.notflip & predicted.notflip,
    )


def _labels_and_scores(predictions: pa.Table, runs: _Runs, threshold: float) -> dict[str, Any]:
    """Return the columns that come from label, status and probability."""
    truth = _Flips.of(predictions["label"])
    flips, notflips = runs.count(truth.flip) > 0, runs.count(truth.notflip) > 0
    ok = equals(predictions["status"], Status.OK)
    frames, scored = runs.count(np.ones_like(ok)), runs.count(ok)
    probability = np.where(ok, pc.fill_null(predictions["flip_probability"], 0).to_numpy(), np.float32(0))
    mean = runs.sum(probability) / np.maximum(scored, 1)
    decided, flip = scored > 0, is_flip(mean, threshold)
    return {
        "label": _Flips(flips & ~notflips, notflips & ~flips).to_column(),
        "frames": frames,
        "scored": scored,
        "errors": frames - scored,
        "mean_probability": pa.array(mean, mask=~decided),
        "max_probability": pa.array(runs.max(probability), mask=~decided),
        "prediction": _Flips(decided & flip, decided & ~flip).to_column(),
    }


def _counts(predictions: pa.Table, runs: _Runs) -> dict[str, Any]:
    """Return the columns that come from the frames' predictions."""
    predicted = _Flips.of(predictions["prediction"])
    outcomes = _outcomes(_Flips.of(predictions["label"]), predicted)
    tp, fp, fn, tn = (runs.count(outcome) for outcome in outcomes)
    return {
        "predicted_flip_frames": runs.count(predicted.flip),
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> pa.Array:
    """Float64 [V], null where ``whole`` is 0."""
    return pa.array(part / np.maximum(whole, 1), mask=whole == 0)
