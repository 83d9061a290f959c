"""The offset of a place: how far the logits of its frames lie from where the model's logits usually lie.

A model ranks the frames of one place well, but its threshold is shifted from place to place. The offset is
estimated from frames without labels. Knows numbers only: does not know models, frames, files or what a place
is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.adaptation_prior import AdaptationPrior, student_density

BIN_WIDTH = 0.25
"""In logits: an eighth of the deviation within a place."""

LARGEST_LOGIT = 12.0
"""Logits beyond count as this: such frames are certain anyway, and float32 probabilities saturate near."""

BINS = round(2 * LARGEST_LOGIT / BIN_WIDTH)

_CENTRES = (np.arange(BINS) + 0.5) * BIN_WIDTH - LARGEST_LOGIT
_OFFSETS = np.arange(-160, 161) * 0.05
_SHARES = 41
_PLACES_AT_ONCE = 64
_DECIMALS = 3


@dataclass(frozen=True, eq=False)
class LogitHistogram:
    """How many frames have which calibrated logit. Histograms of different frames add.

    Attributes
    ----------
    counts : ndarray
        int64 [BINS]: bins of `BIN_WIDTH` from -`LARGEST_LOGIT` to `LARGEST_LOGIT`, with the frames beyond
        in the first and last.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @classmethod
    def of(cls, logits: NDArray[np.floating]) -> LogitHistogram:
        """Count logits, float [N], not NaN."""
        return cls(np.bincount(logit_bins(logits), minlength=BINS))

    def __add__(self, other: LogitHistogram) -> LogitHistogram:
        return LogitHistogram(self.counts + other.counts)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return int(self.counts.sum())


def logit_bins(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the bin of each logit, int64 of the same shape; infinities are in the first and last bin."""
    inside = np.clip(np.asarray(logits, np.float64), -LARGEST_LOGIT, LARGEST_LOGIT)
    return np.minimum((inside + LARGEST_LOGIT) / BIN_WIDTH, BINS - 1).astype(np.int64)


def logits_of(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the log-odds of probabilities from 0 to 1; of 0 and 1, minus and plus infinity."""
    values = np.asarray(probabilities, np.float64)
    with np.errstate(divide="ignore"):
        return np.log(values) - np.log1p(-values)


# ---------------------------------------------------------------------------------------- estimate


def estimate_offset(histogram: LogitHistogram, prior: AdaptationPrior) -> float:
    """Return a place's offset; see `estimate_offsets`."""
    return float(estimate_offsets(histogram.counts[np.newaxis], prior)[0])


def estimate_offsets(counts: NDArray[np.int64], prior: AdaptationPrior) -> NDArray[np.float64]:
    """Estimate the offset of each place from the logits of its frames, without labels.

    Parameters
    ----------
    counts : ndarray
        int64 [N, BINS], `LogitHistogram.counts` of each place.
    prior : AdaptationPrior

    Returns
    -------
    ndarray
        float64 [N], -8 to 8, in logits, to three decimals; exactly 0 for a place without frames. Subtract it
        from the logits of the place.

    Notes
    -----
    The logits of a place are a mixture of two Student's t distributions, resting pages and flips, both
    shifted by the offset. The share of flips is unknown and integrated out, so a place of one class alone is
    explained by its share and not by an offset. The likelihood of n frames is raised to the power
    min(1, `most_frames` / n). The offset is the posterior's mean. Its mode would jump: a place whose logits
    all lie between both classes is explained by an offset up as well as by one down, and the mean is then 0.
    """
    offsets = np.zeros(len(counts))
    for start in range(0, len(counts), _PLACES_AT_ONCE):
        some = counts[start : start + _PLACES_AT_ONCE].astype(np.float64)
        offsets[start : start + _PLACES_AT_ONCE] = _posterior_means(some, prior)
    return np.where(counts.any(axis=1), np.round(offsets, _DECIMALS), 0.0) + 0.0


def _posterior_means(counts: NDArray[np.float64], prior: AdaptationPrior) -> NDArray[np.float64]:
    frames = counts.sum(axis=1, keepdims=True)
    tempered = counts * np.minimum(1, prior.most_frames / np.maximum(frames, 1))
    grid, shares = _grid(prior)
    likelihood = (grid @ tempered.T).reshape(len(_OFFSETS), _SHARES, len(counts))
    by_offset = _log_sum(likelihood + shares[:, np.newaxis], axis=1)
    posterior = by_offset - 0.5 * (_OFFSETS[:, np.newaxis] / prior.place_deviation) ** 2
    weights = np.exp(posterior - posterior.max(axis=0))
    return (_OFFSETS @ weights) / weights.sum(axis=0)


@lru_cache(maxsize=8)
def _grid(prior: AdaptationPrior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log density of each bin, [offsets x shares, BINS], and the log weight of each share."""
    angles = np.pi * (np.arange(_SHARES) + 0.5) / _SHARES
    shares = (1 - np.cos(angles)) / 2  # close together near 0 and 1, where pure places are
    first, second = prior.flip_share
    weights = np.log(np.sin(angles)) + (first - 1) * np.log(shares) + (second - 1) * np.log1p(-shares)
    moved = _CENTRES - _OFFSETS[:, np.newaxis, np.newaxis]
    flip = student_density(moved, prior.flip_mean, prior.flip_deviation)
    notflip = student_density(moved, prior.notflip_mean, prior.notflip_deviation)
    share = shares[:, np.newaxis]
    mixture = np.log(share * flip + (1 - share) * notflip)
    return mixture.reshape(-1, BINS), weights - _log_sum(weights, axis=0)


def _log_sum(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    most = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - most).sum(axis=axis)) + most.squeeze(axis)
