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

BIN_WIDTH = 0.125
"""In logits: well below the deviation within a place."""

LARGEST_LOGIT = 16.0
"""Logits beyond count as this: float32 probabilities are 1 from there on."""

BINS = round(2 * LARGEST_LOGIT / BIN_WIDTH)

_CENTRES = (np.arange(BINS) + 0.5) * BIN_WIDTH - LARGEST_LOGIT
_OFFSETS = np.linspace(-6, 6, 241)
"""In deviations of the places' offsets."""

_SHARES = (1 - np.cos(np.pi * (np.arange(25) + 0.5) / 25)) / 2
"""Shares of flips: close together near 0 and 1, where places of one label are."""

_BOTH_LABELS = np.clip((_SHARES * (1 - _SHARES) - 0.04) / 0.06, 0, 1)
"""How far an offset counts under each share: fully from 11 % to 89 %, not at all below 4 % and above 96 %. In
a place of one label, an offset and logits of another scale look alike."""

_SCALES = {0.5: 0.1, 0.7: 0.15, 1.0: 0.5, 1.7: 0.25}
"""Factors of the means and deviations within a place, with their probabilities. A network separates the
frames of a new place less, or more, than those that its prior comes from (docs/decisions.md)."""

_PLACES_AT_ONCE = 64
_DECIMALS = 3


@dataclass(frozen=True, eq=False)
class LogitHistogram:
    """How many frames have which calibrated logit. Histograms of different frames add.

    Attributes
    ----------
    counts : ndarray
        int32 [BINS]: bins of `BIN_WIDTH` from -`LARGEST_LOGIT` to `LARGEST_LOGIT`, with the frames beyond
        in the first and last.
    """

    counts: NDArray[np.int32] = field(default_factory=lambda: np.zeros(BINS, np.int32))

    @classmethod
    def of(cls, logits: NDArray[np.floating]) -> LogitHistogram:
        """Count logits, float [N], not NaN."""
        return cls(np.bincount(logit_bins(logits), minlength=BINS).astype(np.int32))

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
    """Return the log-odds of probabilities from 0 to 1, float64; of 0 and 1, minus and plus infinity."""
    values = np.asarray(probabilities, np.float64)
    with np.errstate(divide="ignore"):
        return np.log(values) - np.log1p(-values)


# ---------------------------------------------------------------------------------------- estimate


def estimate_offset(histogram: LogitHistogram, prior: AdaptationPrior) -> float:
    """Return a place's offset; see `estimate_offsets`."""
    return float(estimate_offsets(histogram.counts[np.newaxis], prior)[0])


def estimate_offsets(counts: NDArray[np.int32], prior: AdaptationPrior) -> NDArray[np.float64]:
    """Estimate the offset of each place from the logits of its frames, without labels.

    Parameters
    ----------
    counts : ndarray
        int32 [N, BINS], `LogitHistogram.counts` of each place.
    prior : AdaptationPrior

    Returns
    -------
    ndarray
        float64 [N], in logits, to three decimals, within six `place_deviation` of 0; exactly 0 for a place
        without frames. Subtract it from the logits of the place.

    Notes
    -----
    The logits of a place are a mixture of two Student's t distributions, resting pages and flips, both
    shifted by the offset and scaled by one factor. The offset itself has a Student's t distribution, the
    share of flips a Beta distribution. The likelihood of n frames is raised to min(1, `most_frames` / n).
    The estimate is the mean over all of these, in which an offset counts as 0 where nearly all frames would
    have one label. The mode would jump: a place whose logits all lie between both classes is explained by an
    offset up as well as by one down.
    """
    offsets = np.zeros(len(counts))
    for start in range(0, len(counts), _PLACES_AT_ONCE):
        some = counts[start : start + _PLACES_AT_ONCE].astype(np.float32)
        offsets[start : start + _PLACES_AT_ONCE] = _posterior_means(some, prior)
    return np.where(counts.any(axis=1), np.round(offsets, _DECIMALS), 0.0) + 0.0


def _posterior_means(counts: NDArray[np.float32], prior: AdaptationPrior) -> NDArray[np.float64]:
    frames = counts.sum(axis=1, keepdims=True)
    tempered = counts * np.minimum(1, prior.most_frames / np.maximum(frames, 1))
    densities, weights = _grid(prior)
    likelihood = (densities @ tempered.T).reshape(*weights.shape, len(counts)).astype(np.float64)
    posterior = likelihood + weights[..., np.newaxis]
    probabilities = np.exp(posterior - posterior.max(axis=(0, 1)))
    counted = np.tensordot(np.tile(_BOTH_LABELS, len(_SCALES)), probabilities, axes=(0, 1))
    return prior.place_deviation * (_OFFSETS @ counted) / probabilities.sum(axis=(0, 1))


@lru_cache(maxsize=1)
def _grid(prior: AdaptationPrior) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the log density of each bin, and the log weight of each offset, scale and share.

    Returns
    -------
    tuple of (ndarray, ndarray)
        float32 [offsets x scales x shares, BINS]; float64 [offsets, scales x shares].
    """
    first, second = prior.flip_share
    beta = _SHARES ** (first - 0.5) * (1 - _SHARES) ** (
        second - 0.5
    )  # a half from the distance of the shares
    weights = np.outer([*_SCALES.values()], beta / beta.sum()).ravel()
    of_offsets = student_density(_OFFSETS, 0.0, 1.0)
    mixtures = np.concatenate([_mixture(prior, scale) for scale in _SCALES], axis=1)
    return mixtures.reshape(-1, BINS), np.log(np.outer(of_offsets, weights))


def _mixture(prior: AdaptationPrior, scale: float) -> NDArray[np.float32]:
    """Return log densities, [offsets, shares, BINS]."""
    boundary = prior.boundary
    moved = _CENTRES - boundary - prior.place_deviation * _OFFSETS[:, np.newaxis, np.newaxis]
    flip = student_density(moved, scale * (prior.flip_mean - boundary), scale * prior.flip_deviation)
    notflip = student_density(moved, scale * (prior.notflip_mean - boundary), scale * prior.notflip_deviation)
    share = _SHARES[:, np.newaxis]
    return np.log(share * flip + (1 - share) * notflip).astype(np.float32)
