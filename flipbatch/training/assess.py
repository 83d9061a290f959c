"""The best weights become a bundle: calibrated on validation, measured on the test split.

Knows logits of labelled frames and how a bundle's record reads; knows no Ray and no training loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from torch import Tensor

from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.reliability import calibration_report
from flipbatch.evaluation.videos import tally, videos_of
from flipbatch.schema import PREDICTIONS, Label, Status
from flipbatch.training.distributed import gather_rows
from flipbatch.training.frame_cache import FrameCache


class ScoredFrame(NamedTuple):
    """One labelled frame and its logit."""

    video_id: str
    frame_number: int
    positive: bool
    logit: float
    group: str


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
    )
    return sorted(gather_rows([ScoredFrame(*row) for row in zip(*columns, strict=True)]))


def calibrate(frames: Sequence[ScoredFrame]) -> Calibration:
    """Fit temperature, offset and threshold on validation frames of both classes."""
    return Calibration.fit(_logits(frames), _truth(frames))


def reliability(frames: Sequence[ScoredFrame], calibration: Calibration) -> dict[str, Any]:
    """Return how well probabilities match the labels, as `calibration_report` does."""
    return calibration_report(_logits(frames), _truth(frames), calibration)


def measure(frames: Sequence[ScoredFrame], calibration: Calibration) -> dict[str, Any] | None:
    """Return ``frames``, ``videos`` and ``per_video`` metrics as in metrics.json, or None."""
    if not frames:
        return None
    return tally(videos_of(_predictions(frames, calibration), "", calibration.threshold)).to_json()


def measure_all(
    val: Sequence[ScoredFrame],
    test: Sequence[ScoredFrame],
    calibration: Calibration,
    trained_videos: Iterable[str],
) -> dict[str, Any]:
    """Return the metrics on validation, on the test split, and on those of its videos that did not train."""
    trained = set(trained_videos)
    unseen = [frame for frame in test if frame.video_id not in trained]
    return {
        "validation": measure(val, calibration),
        "test": measure(test, calibration),
        "test_unseen_videos": measure(unseen, calibration),
    }


def _logits(frames: Sequence[ScoredFrame]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([frame.logit for frame in frames], dtype=np.float32)


def _truth(frames: Sequence[ScoredFrame]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array([frame.positive for frame in frames], dtype=bool)


def _predictions(frames: Sequence[ScoredFrame], calibration: Calibration) -> pa.Table:
    probabilities = calibration.probabilities(_logits(frames))
    flips = calibration.flips(probabilities)
    columns = {
        "video_id": [frame.video_id for frame in frames],
        "frame_number": [frame.frame_number for frame in frames],
        "uri": [""] * len(frames),
        "label": [Label.FLIP if frame.positive else Label.NOTFLIP for frame in frames],
        "status": [Status.OK] * len(frames),
        "error": [None] * len(frames),
        "flip_probability": probabilities,
        "prediction": [Label.FLIP if flip else Label.NOTFLIP for flip in flips],
    }
    groups = pa.array([frame.group for frame in frames], pa.string())
    return pa.table(columns, schema=PREDICTIONS).append_column("group", groups)
