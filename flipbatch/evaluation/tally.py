"""The sums that all metrics of one model are computed from, and these metrics as JSON.

Tallies of disjoint sets of videos add, so that shards can be evaluated separately and merged in any order.
Knows counts per video. Does not know files, tables, models or thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flipbatch.evaluation.bootstrap import BootstrapSums
from flipbatch.evaluation.counts import Counts, as_rows, f1_of_rows


@dataclass(frozen=True, eq=False)
class ModelTally:
    """Sums over a set of videos; tallies of disjoint sets add.

    Parameters
    ----------
    frames
        One prediction per labelled and scored frame.
    videos
        One prediction per labelled and scored video.
    frame_sums, video_sums
        Bootstrap sums of the same two, both clustered by group.
    f1_sum
        Exact sum of the videos' own F1 where defined. Float addition would depend on the order; these
        fractions have powers of two as denominators, so they stay small.
    f1_defined
        The number of videos that have an F1.
    """

    frames: Counts = field(default_factory=Counts)
    videos: Counts = field(default_factory=Counts)
    frame_sums: BootstrapSums = field(default_factory=BootstrapSums)
    video_sums: BootstrapSums = field(default_factory=BootstrapSums)
    f1_sum: Fraction = Fraction(0)
    f1_defined: int = 0

    @classmethod
    def of(cls, groups: Sequence[str], frames: ArrayLike, videos: ArrayLike) -> ModelTally:
        """Tally whole videos.

        Parameters
        ----------
        groups
            The group of each of N videos; several videos may be of one group.
        frames, videos
            int64 [N, 4], columns tp, fp, fn, tn: each video's frames, and its own prediction (a row of
            zeros if the video has no label or no prediction).

        Raises
        ------
        ValueError
            If ``frames`` or ``videos`` isn't [N, 4].
        """
        frames, videos = as_rows(frames, len(groups)), as_rows(videos, len(groups))
        scores = f1_of_rows(frames)
        defined = scores[~np.isnan(scores)]
        return cls(
            frames=Counts.of_rows(frames),
            videos=Counts.of_rows(videos),
            frame_sums=BootstrapSums.from_groups(groups, frames),
            video_sums=BootstrapSums.from_groups(groups, videos),
            f1_sum=sum(map(Fraction, defined.tolist()), start=Fraction(0)),
            f1_defined=len(defined),
        )

    def __add__(self, other: ModelTally) -> ModelTally:
        return ModelTally(
            frames=self.frames + other.frames,
            videos=self.videos + other.videos,
            frame_sums=self.frame_sums + other.frame_sums,
            video_sums=self.video_sums + other.video_sums,
            f1_sum=self.f1_sum + other.f1_sum,
            f1_defined=self.f1_defined + other.f1_defined,
        )

    @property
    def mean_f1(self) -> float | None:
        """Mean of the videos' own F1, in [0, 1], over those that have one; None if none has.

        It is misleading if each video has one class: a ``notflip`` video has F1 0 or none. Balanced accuracy
        of `videos` is the better measure.
        """
        return float(self.f1_sum / self.f1_defined) if self.f1_defined else None

    def to_json(self) -> dict[str, dict[str, Any]]:
        """``frames``, ``videos`` and ``per_video`` of ``metrics.json``, all null without a labelled frame."""
        defined_for = self.f1_defined if self.frames.total else None
        return {
            "frames": metrics_of(self.frames, self.frame_sums),
            "videos": metrics_of(self.videos, self.video_sums),
            "per_video": {"mean_f1": self.mean_f1, "defined_for": defined_for},
        }


def metrics_of(counts: Counts, sums: BootstrapSums) -> dict[str, float | int | list[float] | None]:
    """Return counts and all that follows from them, under the keys of ``metrics.json``.

    Parameters
    ----------
    counts
        Over frames, or over videos.
    sums
        Bootstrap sums of the same predictions.

    Returns
    -------
    dict
        Undefined ratios and intervals are None; all values are None when nothing was counted, because 0
        errors in 0 frames would read as a result.
    """
    values = {
        "f1": counts.f1,
        "precision": counts.precision,
        "recall": counts.recall,
        "accuracy": counts.accuracy,
        "balanced_accuracy": counts.balanced_accuracy,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "tn": counts.tn,
        "f1_interval": _list(sums.f1_interval()),
        "balanced_accuracy_interval": _list(sums.balanced_accuracy_interval()),
    }
    return values if counts.total else dict.fromkeys(values)


def _list(interval: tuple[float, float] | None) -> list[float] | None:
    return list(interval) if interval else None
