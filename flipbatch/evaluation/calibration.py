"""Logits become probabilities, and probabilities become decisions; both steps are fitted on validation.

A temperature makes the probabilities honest, a threshold makes the F1 of the decisions largest.
Knows numbers only: nothing of models, frames or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TEMPERATURES = (0.05, 20.0)
"""Bounds of a fitted temperature: a factor of 20 either way from the network's own scale. Below, float32
probabilities saturate and can't be told apart; above, all lie so near 0.5 that the logits say nothing."""

UNDECIDED = 0.5
"""The threshold of a model that was not calibrated, and the one that ties go towards."""


@dataclass(frozen=True)
class Calibration:
    """How one model's logits are read.

    Parameters
    ----------
    temperature
        Logits are divided by it; finite, above 0.
    threshold
        A probability at or above it is ``flip``; in [0, 1]. Rounded to float32 here, so that whoever compares
        the float32 probabilities of a table with it, at whatever precision, decides as we did.

    Raises
    ------
    ValueError
        If either is out of its range.
    """

    temperature: float = 1.0
    threshold: float = UNDECIDED

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"a temperature is finite and above 0, not {self.temperature}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"a threshold lies between 0 and 1, not at {self.threshold}")
        object.__setattr__(self, "threshold", float(np.float32(self.threshold)))

    @classmethod
    def fit(cls, logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> Calibration:
        """Fit both on validation frames.

        Parameters
        ----------
        logits
            float32 [N], finite.
        truth
            bool [N], True meaning ``flip``.

        Raises
        ------
        ValueError
            If frames of either label are missing, shapes differ, or a logit isn't finite.
        """
        temperature = fit_temperature(logits, truth)
        probabilities = cls(temperature).probabilities(logits)
        return cls(temperature, best_threshold(probabilities, truth))

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probability of ``flip``: float32 of any shape to float32 in [0, 1] of that shape."""
        scaled = np.asarray(logits, dtype=np.float64) / self.temperature
        # 1 / (1 + exp(-x)), in a form that can't overflow.
        return np.exp(-np.logaddexp(0, -scaled)).astype(np.float32)

    def flips(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which frames are ``flip``: float32 of any shape to bool of that shape."""
        return np.asarray(probabilities, dtype=np.float32) >= np.float32(self.threshold)


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Find the temperature T under which sigmoid(logits / T) explains the labels best.

    Parameters
    ----------
    logits
        float [N], finite.
    truth
        bool [N], True meaning ``flip``.

    Returns
    -------
    float
        Within `TEMPERATURES`; above 1 where the network was too sure of itself.

    Raises
    ------
    ValueError
        If frames of either label are missing, shapes differ, or a logit isn't finite.

    Notes
    -----
    Temperature scaling is from Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: one number,
    which can't overfit much and keeps the order of the frames. The targets are those of Platt, "Probabilistic
    outputs for support vector machines", 1999: (n+ + 1) / (n+ + 2) and 1 / (n- + 2) instead of 1 and 0, or T
    would fall to 0 whenever validation is separated perfectly. The loss is convex in 1 / T, hence has one
    minimum in log T.
    """
    # Here, not above: scoring uses a calibration without ever fitting one, and needn't wait for scipy.
    from scipy.optimize import minimize_scalar

    values, truth = _checked(logits, truth)
    targets = _smoothed_targets(truth)

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    best = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def best_threshold(probabilities: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Find the threshold whose decisions ``probability >= threshold`` have the largest F1.

    Parameters
    ----------
    probabilities
        float [N] in [0, 1]; read as float32.
    truth
        bool [N], True meaning ``flip``.

    Returns
    -------
    float
        Representable in float32, above 0 and below 1; midway between two neighbouring probabilities, or
        between 0 and the smallest. Among equally good ones the nearest to 0.5, of two as near the lower;
        0.5 itself where all probabilities are 0 or none of these is inside.

    Raises
    ------
    ValueError
        If frames of either label are missing, shapes differ, or a probability isn't finite.
    """
    values, truth = _checked(probabilities, truth)
    distinct, group = np.unique(values.astype(np.float32), return_inverse=True)
    thresholds = _midpoints(distinct)
    f1 = _f1_from_each_up(group, truth, len(distinct))
    inside = (thresholds > 0) & (thresholds < 1)
    if not inside.any():
        return UNDECIDED
    tied = thresholds[inside & (f1 == f1[inside].max())]
    return float(tied[np.argmin(np.abs(tied.astype(np.float64) - UNDECIDED))])


def _checked(
    values: NDArray[np.floating], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, truth = np.asarray(values, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.shape != truth.shape or values.ndim != 1:
        raise ValueError(f"calibration needs two vectors of one length, not {values.shape} and {truth.shape}")
    if not np.isfinite(values).all():
        raise ValueError(
            "calibration needs finite numbers, but the model gave NaN or infinity for some frames"
        )
    positives = int(np.count_nonzero(truth))
    if positives in (0, len(truth)):
        raise ValueError(
            f"calibration needs validation frames of both labels, "
            f"but there are {positives} of flip and {len(truth) - positives} of notflip"
        )
    return values, truth


def _smoothed_targets(truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    positives = np.count_nonzero(truth)
    negatives = truth.size - positives
    return np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _midpoints(distinct: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each of the rising values, a float32 that is above the one before and not above it: float32 [K].

    The value before the first is 0. Between two neighbouring float32 numbers lies none, so the midpoint may
    round to the lower; then the upper itself separates them.
    """
    before = np.concatenate([np.zeros(1, dtype=np.float32), distinct[:-1]])
    middle = ((before.astype(np.float64) + distinct) / 2).astype(np.float32)
    return np.where(middle > before, middle, distinct)


def _f1_from_each_up(group: NDArray[np.intp], truth: NDArray[np.bool_], groups: int) -> NDArray[np.float64]:
    """F1 when the frames of group k and above are called ``flip``, for each k: float64 [groups]."""
    frames = np.bincount(group, minlength=groups)
    positives = np.bincount(group[truth], minlength=groups)
    predicted, tp = np.cumsum(frames[::-1])[::-1], np.cumsum(positives[::-1])[::-1]
    # 2 tp + fp + fn is what was called flip plus what is flip; the latter isn't 0, see `_checked`.
    return 2 * tp / (predicted + positives.sum())
