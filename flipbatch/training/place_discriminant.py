"""A linear head in closed form, which separates flip from notflip in every place by the same threshold.

Fisher's linear discriminant (R. A. Fisher, Annals of Eugenics 7, 1936): the direction along which the labels'
means lie far apart, measured by the variation within a label. The variation between places counts here as
well: a feature that tells places apart moves a new place across the threshold as a whole.

Knows arrays of features. Does not know networks or frames.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_SMALLEST_DEVIATION = 1e-3
"""Added to the deviation of each feature: one that never changes has none."""

_FEWEST_FRAMES = 2
"""Of each label, in a place that counts as one."""

Floats = npt.NDArray[np.float64]


class Discriminant(NamedTuple):
    """A linear head. The logit of features f is ``weights @ ((f - means) / deviations) + bias``.

    Attributes
    ----------
    means, deviations : ndarray
        float64 (F,): of each feature over all frames.
    weights : ndarray
        float64 (F,).
    bias : float
        Such that 0 lies in the middle of the labels' means of an average place.
    """

    means: Floats
    deviations: Floats
    weights: Floats
    bias: float


def fit_discriminant(
    features: npt.NDArray[np.floating],
    truth: npt.NDArray[np.bool_],
    places: npt.NDArray[np.int64],
    place_weight: float,
    ridge: float,
) -> Discriminant:
    """Fit a linear head to frames of many places.

    Parameters
    ----------
    features : ndarray
        float (N, F), finite.
    truth : ndarray
        bool (N,), True meaning ``flip``.
    places : ndarray
        int64 (N,): the place of each frame.
    place_weight : float
        What the variation between places counts, beside 1 of the variation within a place and label; at
        least 0.
    ridge : float
        Added to the variance of each feature, in units of its variance over all frames; above 0.

    Raises
    ------
    ValueError
        If fewer than two places have two frames of each label.
    """
    means = features.mean(axis=0, dtype=np.float64)
    deviations = features.std(axis=0, dtype=np.float64) + _SMALLEST_DEVIATION
    standard = (features - means) / deviations
    _, place = np.unique(places, return_inverse=True)
    counts = np.stack([np.bincount(place[truth == label], minlength=place.max() + 1) for label in (0, 1)])
    complete = (counts >= _FEWEST_FRAMES).all(axis=0)
    if complete.sum() < 2:
        raise ValueError(f"fewer than two places have {_FEWEST_FRAMES} frames of each label")
    kept = complete[place]
    standard, truth, place = standard[kept], truth[kept], place[kept]
    of_place = np.stack([_sums(standard, place, truth == label, len(complete)) for label in (0, 1)])
    of_place /= np.maximum(counts, 1)[:, :, None]
    within = _covariance(standard - of_place[truth.astype(int), place])
    notflip, flip = of_place[:, complete]
    middles, distance = (notflip + flip) / 2, (flip - notflip).mean(axis=0)
    between = _covariance(middles - middles.mean(axis=0))
    weights = np.linalg.solve(within + place_weight * between + ridge * np.eye(len(distance)), distance)
    return Discriminant(means, deviations, weights, -float(middles.mean(axis=0) @ weights))


def _sums(values: Floats, rows: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_], count: int) -> Floats:
    """Return the sums (count, F) of the chosen values by row."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, rows[chosen], values[chosen])
    return sums


def _covariance(centred: Floats) -> Floats:
    return centred.T @ centred / len(centred)
