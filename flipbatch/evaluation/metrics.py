"""Counts that add, F1, and the interval of F1 that knows frames of one video are alike.

Everything here is a sum: the sums of any partition of the videos add up to the sums of the whole, to the last
bit and on any machine, so shards can be evaluated apart and merged in any order. Knows nothing of files,
tables, models or thresholds; a caller brings truth and decisions, or their counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import shake_128
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

REPLICATES = 1000
"""Bootstrap replicates: 25 lie beyond each end of a 95 % interval."""

CONFIDENCE = 0.95
"""Coverage that ``f1_interval`` aims at."""

BOOTSTRAP_SEED = 0
"""Part of every video's hash. Another number gives other, equally good replicates."""

_CHUNK = 512
"""Videos weighted at once: 512 x 1000 float64 weights are 4 MB, whatever the number of videos."""

_UNIFORM_STEPS = 2**16
"""Weights are drawn from 16-bit uniform numbers; see `poisson_weights`."""


@dataclass(frozen=True)
class Counts:
    """A confusion matrix; the positive class is ``flip``.

    Parameters
    ----------
    tp, fp, fn, tn
        True positives, false positives, false negatives, true negatives; each 0 or more.

    Notes
    -----
    A ratio whose denominator is 0 is undefined and None, never 0 or 1.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def of(cls, truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Counts:
        """Count agreement of truth and decision, True meaning ``flip``.

        Parameters
        ----------
        truth, predicted
            bool, both of one shape.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        truth, predicted = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
        if truth.shape != predicted.shape:
            raise ValueError(f"truth has shape {truth.shape} but predicted has {predicted.shape}")
        tp = int(np.count_nonzero(truth & predicted))
        fp = int(np.count_nonzero(predicted)) - tp
        fn = int(np.count_nonzero(truth)) - tp
        return cls(tp, fp, fn, truth.size - tp - fp - fn)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def total(self) -> int:
        """How many decisions were counted."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def f1(self) -> float | None:
        """2 tp / (2 tp + fp + fn), in [0, 1]; None without positive truth and positive decision."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """Share of positive decisions that are true: tp / (tp + fp), in [0, 1]; None without one."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of positive truth that is found: tp / (tp + fn), in [0, 1]; None without any."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def accuracy(self) -> float | None:
        """Share of decisions that are true: (tp + tn) / total, in [0, 1]; None without any."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the two classes' recalls, in [0, 1]; None unless truth has both classes."""
        specificity = _ratio(self.tn, self.tn + self.fp)
        if self.recall is None or specificity is None:
            return None
        return (self.recall + specificity) / 2


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def f1_scores(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each row of counts.

    Parameters
    ----------
    counts
        int64 [N, 4], columns tp, fp, fn, tn.

    Returns
    -------
    float64 [N] in [0, 1], NaN where F1 is undefined; equal to `Counts.f1` bit for bit.
    """
    doubled = 2 * counts[:, 0]
    whole = doubled + counts[:, 1] + counts[:, 2]
    return np.divide(doubled, whole, out=np.full(len(counts), np.nan), where=whole > 0)


def poisson_weights(video_ids: Sequence[str]) -> NDArray[np.uint8]:
    """How often each video occurs in each bootstrap replicate: Poisson(1), a function of the id alone.

    Parameters
    ----------
    video_ids
        N ids.

    Returns
    -------
    uint8 [N, REPLICATES], values 0 to 8.

    Notes
    -----
    SHAKE-128 of seed and id is a stream of uniform 16-bit numbers, the same on any machine; the inverse CDF
    of Poisson(1) turns them into weights. 16 bits are low_res enough for a table and move each probability by
    less than 2^-16; weights above 8 (probability 1.1e-6) do not occur.
    """
    stream = b"".join(_uniform_bytes(video_id) for video_id in video_ids)
    uniform = np.frombuffer(stream, dtype="<u2").reshape(len(video_ids), REPLICATES)
    return _POISSON_OF_UNIFORM[uniform]


def _uniform_bytes(video_id: str) -> bytes:
    return shake_128(f"{BOOTSTRAP_SEED}:{video_id}".encode()).digest(2 * REPLICATES)


def _poisson_table() -> NDArray[np.uint8]:
    """Inverse CDF of Poisson(1) at each 16-bit number: uint8 [65536]."""
    cumulative = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])
    ends = np.round(cumulative * _UNIFORM_STEPS).astype(np.int64)
    return np.searchsorted(ends, np.arange(_UNIFORM_STEPS), side="right").astype(np.uint8)


_POISSON_OF_UNIFORM = _poisson_table()


def _no_sums() -> NDArray[np.int64]:
    return np.zeros((REPLICATES, 4), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class BootstrapSums:
    """Confusion matrices of `REPLICATES` bootstrap samples of videos, as sums that add.

    Parameters
    ----------
    sums
        int64 [REPLICATES, 4], columns tp, fp, fn, tn. Its size does not depend on the number of videos.
    videos
        How many videos (or parts of one) went in, those without any count left out.

    Notes
    -----
    Drawing whole videos with replacement keeps what their frames have in common (Field & Welsh,
    "Bootstrapping clustered data", J. R. Stat. Soc. B 69, 2007). A video's multiplicity in such a draw is
    nearly Poisson(1) and nearly independent of the other videos', so each replicate may weight every video by
    its own Poisson(1) number (Hanley & MacGibbon, "Creating non-parametric bootstrap samples using Poisson
    frequencies", Comput. Methods Programs Biomed. 83, 2006; Chamandy et al., "Estimating Uncertainty for
    Massive Data Streams", Google, 2012). That needs no list of all videos, hence adds.
    """

    sums: NDArray[np.int64] = field(default_factory=_no_sums)
    videos: int = 0

    @classmethod
    def from_videos(cls, video_ids: Sequence[str], counts: ArrayLike) -> BootstrapSums:
        """Weight each video's counts and sum them per replicate.

        Parameters
        ----------
        video_ids
            N ids. Parts of one video get one weight, wherever they are summed.
        counts
            int64 [N, 4], columns tp, fp, fn, tn.

        Raises
        ------
        ValueError
            If ``counts`` isn't [N, 4].
        """
        counts = _as_counts(counts, len(video_ids))
        sums = _no_sums()
        for start in range(0, len(video_ids), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            # Float64 for BLAS; all values are integers far below 2^53, so the product is exact in any order.
            weights = poisson_weights(video_ids[chunk]).astype(np.float64)
            sums += (weights.T @ counts[chunk].astype(np.float64)).astype(np.int64)
        return cls(sums, int(np.count_nonzero(counts.any(axis=1))))

    def __add__(self, other: BootstrapSums) -> BootstrapSums:
        return BootstrapSums(self.sums + other.sums, self.videos + other.videos)

    def f1_interval(self) -> tuple[float, float] | None:
        """Percentile interval of F1 at `CONFIDENCE`.

        Returns
        -------
        (low, high), both in [0, 1], low <= high; None with fewer than 2 videos, or if no replicate has an F1.

        Notes
        -----
        Replicates whose F1 is undefined (they drew no video with positive truth or positive decision) are
        left out. With a handful of videos the interval is too narrow, as every bootstrap's is.
        """
        scores = f1_scores(self.sums)
        scores = scores[~np.isnan(scores)]
        if self.videos < 2 or not scores.size:
            return None
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(scores, [tail, 1 - tail])
        return float(low), float(high)


def _as_counts(counts: ArrayLike, rows: int) -> NDArray[np.int64]:
    array = np.asarray(counts, dtype=np.int64)
    if array.shape != (rows, 4):
        raise ValueError(f"counts of {rows} videos must have shape ({rows}, 4), not {array.shape}")
    return array


def summary(
    counts: Counts, interval: tuple[float, float] | None
) -> dict[str, float | int | list[float] | None]:
    """Counts and all that follows from them, under the keys of ``metrics.json``.

    Parameters
    ----------
    counts
        Over frames, or over videos.
    interval
        95 % interval of F1, if there is one.

    Returns
    -------
    dict
        Keys f1, precision, recall, accuracy, balanced_accuracy, tp, fp, fn, tn, f1_interval. Undefined ratios
        are None; all values are None when nothing was counted, because 0 errors in 0 frames would read as a
        result.
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
        "f1_interval": list(interval) if interval else None,
    }
    return values if counts.total else dict.fromkeys(values)


@dataclass(frozen=True, eq=False)
class ModelTally:
    """All that one model's metrics need, over a set of videos; tallies of disjoint sets add.

    Parameters
    ----------
    frames
        One decision per labelled and scored frame.
    videos
        One decision per labelled and scored video.
    frame_sums, video_sums
        Bootstrap sums of the same two, both clustered by video.
    f1_sum
        Exact sum of the videos' own F1 where defined. Float addition would depend on the order; these
        fractions have powers of two below, so they stay small.
    f1_defined
        How many videos have an F1.
    """

    frames: Counts = field(default_factory=Counts)
    videos: Counts = field(default_factory=Counts)
    frame_sums: BootstrapSums = field(default_factory=BootstrapSums)
    video_sums: BootstrapSums = field(default_factory=BootstrapSums)
    f1_sum: Fraction = Fraction(0)
    f1_defined: int = 0

    @classmethod
    def of(cls, video_ids: Sequence[str], frames: ArrayLike, videos: ArrayLike) -> ModelTally:
        """Tally whole videos.

        Parameters
        ----------
        video_ids
            N ids, each once.
        frames, videos
            int64 [N, 4], columns tp, fp, fn, tn: each video's frames, and its own one decision (a row of
            zeros where the video has no label or no decision).

        Raises
        ------
        ValueError
            If ``frames`` or ``videos`` isn't [N, 4].
        """
        frames, videos = _as_counts(frames, len(video_ids)), _as_counts(videos, len(video_ids))
        scores = f1_scores(frames)
        defined = scores[~np.isnan(scores)]
        return cls(
            frames=_column_sums(frames),
            videos=_column_sums(videos),
            frame_sums=BootstrapSums.from_videos(video_ids, frames),
            video_sums=BootstrapSums.from_videos(video_ids, videos),
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
        """Mean of the videos' own F1, in [0, 1], over those that have one; None if none has."""
        return float(self.f1_sum / self.f1_defined) if self.f1_defined else None

    def to_json(self) -> dict[str, dict[str, Any]]:
        """``frames``, ``videos`` and ``per_video`` of ``metrics.json``, all null without a labelled frame."""
        defined_for = self.f1_defined if self.frames.total else None
        return {
            "frames": summary(self.frames, self.frame_sums.f1_interval()),
            "videos": summary(self.videos, self.video_sums.f1_interval()),
            "per_video": {"mean_f1": self.mean_f1, "defined_for": defined_for},
        }


def _column_sums(counts: NDArray[np.int64]) -> Counts:
    return Counts(*counts.sum(axis=0).tolist())
