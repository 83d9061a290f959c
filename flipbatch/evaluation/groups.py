"""Metrics of each group of frames: a book, a place or a recording on its own.

A threshold that fits one place may not fit another, which metrics over all frames hide. Knows columns of
frames. Does not know tables' files, or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from flipbatch.evaluation.bootstrap import BootstrapSums
from flipbatch.evaluation.counts import Counts


@dataclass(frozen=True)
class MeasuredFrames:
    """Frames that have a label and a probability, as columns of one length.

    Attributes
    ----------
    truth : ndarray
        bool [N], True meaning ``flip``.
    predicted : ndarray
        bool [N].
    probability : ndarray
        float [N], 0 to 1.
    video : ndarray
        str [N], the id of each frame's video.
    group : ndarray
        str [N].
    """

    truth: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    probability: NDArray[np.floating]
    video: NDArray[Any]
    group: NDArray[Any]

    def rows(self, chosen: NDArray[np.bool_]) -> MeasuredFrames:
        """Return some of the frames: bool [N]."""
        return MeasuredFrames(
            self.truth[chosen],
            self.predicted[chosen],
            self.probability[chosen],
            self.video[chosen],
            self.group[chosen],
        )


def group_metrics(frames: MeasuredFrames) -> list[dict[str, Any]]:
    """Measure each group.

    Returns
    -------
    list of dict
        One per group, in the order of their names: ``group``, ``videos``, ``frames`` and ``flips``
        (integers); ``f1``, ``f1_of_all_flip`` (of calling every frame ``flip``), ``balanced_accuracy`` and
        ``auc`` (the area under the ROC curve), each 0 to 1 or None where the group's labels leave it
        undefined; and ``f1_interval`` and ``balanced_accuracy_interval``, over the group's videos: two
        numbers, or None with fewer than `GROUPS_FOR_SIGNIFICANCE` videos.
    """
    return [
        {"group": str(group), **_metrics(frames.rows(frames.group == group))}
        for group in np.unique(frames.group)
    ]


def _metrics(frames: MeasuredFrames) -> dict[str, Any]:
    truth, predicted = frames.truth, frames.predicted
    counts = Counts.of(truth, predicted)
    outcomes = np.stack(
        [truth & predicted, ~truth & predicted, truth & ~predicted, ~truth & ~predicted], axis=1
    )
    sums = BootstrapSums.from_groups([str(video) for video in frames.video], outcomes.astype(np.int64))
    return {
        "videos": len(np.unique(frames.video)),
        "frames": len(truth),
        "flips": int(np.count_nonzero(truth)),
        "f1": counts.f1,
        "f1_interval": sums.f1_interval() if sums.has_enough_groups else None,
        "f1_of_all_flip": Counts.of(truth, np.ones_like(truth)).f1,
        "balanced_accuracy": counts.balanced_accuracy,
        "balanced_accuracy_interval": (sums.balanced_accuracy_interval() if sums.has_enough_groups else None),
        "auc": _auc(frames),
    }


def _auc(frames: MeasuredFrames) -> float | None:
    """Return the share of pairs of a flip and a notflip that probabilities order rightly; ties count half."""
    if frames.truth.all() or not frames.truth.any():
        return None
    return float(roc_auc_score(frames.truth, frames.probability))
