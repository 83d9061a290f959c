"""What is known of a model's logits before a place is seen: one part of a model card.

Knows numbers and JSON values. Does not know models, frames or files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FREEDOM = 4.0
"""Degrees of freedom of both components and of the places' offsets. Student's t has heavy tails: one odd
frame moves no place, and an odd place is possible."""

_MEDIAN = 0.7407
"""The median of the absolute values of Student's t with `FREEDOM` degrees of freedom, at scale 1."""

_LEAST = 0.125
"""Least fitted deviation, in logits: the width of a bin of `adaptation.LogitHistogram`."""

_EXTREME = 0.02
"""Thresholds nearer to 0 or 1 say little of where the classes are divided."""

_LABELS = (False, True)


@dataclass(frozen=True)
class AdaptationPrior:
    """What is known of a model's calibrated logits before a place is seen.

    The defaults are those of bundles that say nothing: right in 93 % of the frames of an average place, on
    places that differ by as much as the frames within a class. An offset moves a place so that its classes
    lie as here: the threshold of the model should lie between the two means.

    Parameters
    ----------
    notflip_mean, notflip_deviation : float
        Location and scale of the logits of resting pages, in a place without offset.
    flip_mean, flip_deviation : float
        The same of flips.
    place_deviation : float
        Scale of the offsets of places around 0.
    flip_share : tuple of (float, float)
        The parameters a and b of a Beta distribution: the share of flips in a place. Where they are below 1,
        places of nearly one label are more likely than others.
    most_frames : float
        How many independent frames a place is worth at most: frames of one place are alike.

    Raises
    ------
    ValueError
        If a value is not finite, a deviation or a parameter of the share is not above 0, `most_frames` is
        below 1, or `flip_mean` is not above `notflip_mean`.
    """

    notflip_mean: float = -3.0
    notflip_deviation: float = 2.0
    flip_mean: float = 3.0
    flip_deviation: float = 2.0
    place_deviation: float = 2.0
    flip_share: tuple[float, float] = (0.4, 0.4)
    most_frames: float = 40.0

    def __post_init__(self) -> None:
        positive = (self.notflip_deviation, self.flip_deviation, self.place_deviation, *self.flip_share)
        values = (self.notflip_mean, self.flip_mean, self.most_frames, *positive)
        if not all(np.isfinite(values)) or min(positive) <= 0 or self.most_frames < 1:
            raise ValueError(f"{self} has a value that is not finite or too small")
        if self.flip_mean <= self.notflip_mean:
            raise ValueError("the logits of flips must lie above those of notflip")

    @property
    def boundary(self) -> float:
        """The logit that lies as many deviations above the mean of notflip as below that of flip."""
        both = self.notflip_deviation + self.flip_deviation
        return (self.notflip_mean * self.flip_deviation + self.flip_mean * self.notflip_deviation) / both

    def around(self, threshold: float) -> AdaptationPrior:
        """Return this prior with both means moved, so that a probability lies on the boundary.

        Parameters
        ----------
        threshold : float
            The probability at which the model decides, 0 to 1; beyond `_EXTREME` it counts as that.
        """
        inside = min(max(threshold, _EXTREME), 1 - _EXTREME)
        move = float(np.log(inside / (1 - inside))) - self.boundary
        moved = {"notflip_mean": self.notflip_mean + move, "flip_mean": self.flip_mean + move}
        return dataclasses.replace(self, **moved)

    def widened(self, factor: float) -> AdaptationPrior:
        """Return this prior with both deviations within a place multiplied by a factor above 0."""
        wider = {
            "notflip_deviation": self.notflip_deviation * factor,
            "flip_deviation": self.flip_deviation * factor,
        }
        return dataclasses.replace(self, **wider)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AdaptationPrior:
        """Read a model card's ``adaptation``; what it lacks has its default.

        Raises
        ------
        ValueError, TypeError
            If it has another key, or a value can't be used.
        """
        known = dict(value)
        first, second = known.pop("flip_share", cls.flip_share)
        numbers = {key: float(one) for key, one in known.items()}
        return cls(flip_share=(float(first), float(second)), **numbers)

    def to_json(self) -> dict[str, Any]:
        """Return the value of a model card's ``adaptation``."""
        return {**dataclasses.asdict(self), "flip_share": list(self.flip_share)}

    @classmethod
    def fit(
        cls,
        logits: NDArray[np.floating],
        truth: NDArray[np.bool_],
        places: NDArray[Any],
        threshold: float = 0.5,
    ) -> AdaptationPrior:
        """Fit means and deviations to labelled frames of several places that trained nothing.

        Parameters
        ----------
        logits : ndarray
            float [N], calibrated, finite.
        truth : ndarray
            bool [N], True meaning ``flip``.
        places : ndarray
            [N], integers or texts: the place of each frame. Some places have frames of both labels.
        threshold : float
            The probability at which the model decides: the boundary of the prior, see `around`.

        Raises
        ------
        ValueError
            If no place has frames of both labels, or if flips don't lie above notflip in most places.

        Notes
        -----
        The distance of the means is the median over the places with both labels, a scale is the median
        absolute deviation from the place's means: odd places and odd frames don't move them. The offset of a
        place is counted from the threshold, so that no offset is likeliest where none is needed.
        """
        both = [place for place in np.unique(places) if len(np.unique(truth[places == place])) == 2]
        if not both:
            raise ValueError("no place has frames of both labels")
        inside = np.isin(places, both)
        logits, truth, places = logits[inside].astype(np.float64), truth[inside], places[inside]
        means = np.array([[logits[(places == p) & (truth == flip)].mean() for flip in _LABELS] for p in both])
        residuals = np.abs(logits - means[np.searchsorted(both, places), truth.astype(int)])
        low, high = (max(float(np.median(residuals[truth == flip])) / _MEDIAN, _LEAST) for flip in _LABELS)
        distance = float(np.median(means[:, 1] - means[:, 0]))
        prior = cls(0.0, low, distance, high).around(threshold)
        offsets = (means[:, 0] * high + means[:, 1] * low) / (low + high) - prior.boundary
        deviation = max(float(np.sqrt(np.mean(offsets**2))), _LEAST)
        return dataclasses.replace(prior, place_deviation=deviation)


def student_density(values: NDArray[np.float64], location: float, scale: float) -> NDArray[np.float64]:
    """Return the density of Student's t distribution, up to a constant that depends on `FREEDOM` alone.

    Parameters
    ----------
    values : ndarray
        float64 of any shape.
    location, scale : float
        In the unit of the values; `scale` is above 0.
    """
    return (1 + ((values - location) / scale) ** 2 / FREEDOM) ** (-(FREEDOM + 1) / 2) / scale
