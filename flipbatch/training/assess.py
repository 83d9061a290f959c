"""The best weights are calibrated on validation and measured on the test split.

Knows logits of labelled frames, and the content of model cards. Does not know Ray, files or the training
loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import Tensor

from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.reliability import calibration_report
from flipbatch.evaluation.videos import tally, videos_of
from flipbatch.schema import PREDICTIONS, VIDEOS, Label, Status
from flipbatch.training.distributed import gather_rows
from flipbatch.training.frame_cache import FrameCache


class ScoredFrame(NamedTuple):
    """One labelled frame and its logit."""

    video_id: str
    frame_number: int
    positive: bool
    logit: float
    group: str
    uri: str


@dataclass(frozen=True)
class Assessment:
    """How good the best weights are.

    Attributes
    ----------
    calibration : Calibration
        Fitted on validation.
    calibration_report : dict
        What the model card says of it.
    metrics : dict
        ``validation``, ``test``, ``test_unseen_videos`` and ``test_unseen_groups``, each as in metrics.json
        or None.
    test_videos, test_frames : pyarrow.Table
        `schema.VIDEOS` and `schema.PREDICTIONS` of the test split.
    """

    calibration: Calibration
    calibration_report: dict[str, Any]
    metrics: dict[str, Any]
    test_videos: pa.Table
    test_frames: pa.Table


def scored_frames(cache: FrameCache, logits: Tensor) -> list[ScoredFrame]:
    """Return the frames of all ranks with their logits, sorted by video and frame number.

    Parameters
    ----------
    cache : FrameCache
        This rank's share of a split.
    logits : Tensor
        (N,), this rank's.
    """
    columns = (
        cache.video_id.tolist(),
        cache.frame_number.tolist(),
        cache.positive.tolist(),
        logits.tolist(),
        cache.group.tolist(),
        cache.uri.tolist(),
    )
    return sorted(gather_rows([ScoredFrame(*row) for row in zip(*columns, strict=True)]))


def assess(
    name: str,
    val: Sequence[ScoredFrame],
    test: Sequence[ScoredFrame],
    trained: Iterable[tuple[str, str]],
) -> Assessment:
    """Calibrate on validation and measure.

    Parameters
    ----------
    name : str
        The model's name in tables.
    val, test : sequence of ScoredFrame
        Validation has frames of both classes; the test split may be empty.
    trained : iterable of (str, str)
        Video id and group of the training frames.
    """
    videos, groups = (set(column) for column in zip(*trained, strict=True))
    calibration = calibrate(val)
    metrics = {
        "validation": measure(val, calibration),
        "test": measure(test, calibration),
        "test_unseen_videos": measure([one for one in test if one.video_id not in videos], calibration),
        "test_unseen_groups": measure([one for one in test if one.group not in groups], calibration),
    }
    report = calibration_report(_logits(val), _truth(val), calibration)
    videos_of_test, frames_of_test = video_rows(test, calibration, name), _predictions(test, calibration)
    return Assessment(calibration, report, metrics, videos_of_test, frames_of_test.select(PREDICTIONS.names))


def calibrate(frames: Sequence[ScoredFrame]) -> Calibration:
    """Fit the calibration on validation frames of both classes."""
    return Calibration.fit(_logits(frames), _truth(frames))


def measure(frames: Sequence[ScoredFrame], calibration: Calibration) -> dict[str, Any] | None:
    """Return ``frames``, ``videos`` and ``per_video`` metrics as in metrics.json; None without frames."""
    return tally(video_rows(frames, calibration, "")).to_json() if frames else None


def video_rows(frames: Sequence[ScoredFrame], calibration: Calibration, name: str) -> pa.Table:
    """Return `schema.VIDEOS` of frames that are sorted by video."""
    if not frames:
        return VIDEOS.empty_table()
    return videos_of(_predictions(frames, calibration), name, calibration.threshold)


def _logits(frames: Sequence[ScoredFrame]) -> npt.NDArray[np.float32]:
    return np.array([frame.logit for frame in frames], dtype=np.float32)


def _truth(frames: Sequence[ScoredFrame]) -> npt.NDArray[np.bool_]:
    return np.array([frame.positive for frame in frames], dtype=bool)


def _predictions(frames: Sequence[ScoredFrame], calibration: Calibration) -> pa.Table:
    probabilities = calibration.probabilities(_logits(frames))
    flips = calibration.flips(probabilities)
    columns = {
        "video_id": [frame.video_id for frame in frames],
        "frame_number": [frame.frame_number for frame in frames],
        "uri": [frame.uri for frame in frames],
        "label": [Label.FLIP if frame.positive else Label.NOTFLIP for frame in frames],
        "status": [Status.OK] * len(frames),
        "error": [None] * len(frames),
        "flip_probability": probabilities,
        "prediction": [Label.FLIP if flip else Label.NOTFLIP for flip in flips],
    }
    groups = pa.array([frame.group for frame in frames], pa.string())
    return pa.table(columns, schema=PREDICTIONS).append_column("group", groups)
