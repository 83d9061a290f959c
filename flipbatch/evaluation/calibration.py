"""Logits become probabilities, and probabilities become predictions; both steps are fitted on validation.

Temperature and offset make the probabilities match the shares of flips, the threshold maximises the F1 of the
predictions. Knows numbers only. Does not know models, frames or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.labelled import require_both_labels
from flipbatch.evaluation.threshold import UNDECIDED, best_threshold, is_flip

TEMPERATURES = (0.05, 20.0)
"""Bounds of a fitted temperature: a factor of 20 either way from the network's own scale. Below, float32
probabilities saturate and become equal; above, all probabilities are nearly the share of flips, so that the
logits say nothing."""

_BISECTIONS = 200
"""Steps that halve the range of an offset: enough for the largest float32 logits."""


@dataclass(frozen=True)
class Calibration:
    """How one model's logits are read: probability = sigmoid(logit / temperature + offset).

    Parameters
    ----------
    temperature
        Logits are divided by it; finite, above 0.
    threshold
        A probability at or above it is ``flip``; in [0, 1]. Rounded to float32 here, so that all readers who
        compare the float32 probabilities of a table with it, at whatever precision, decide alike.
    offset
        Added to the divided logits, in log-odds; finite. It undoes the training loss, which weighs both
        classes equally whatever their shares.

    Raises
    ------
    ValueError
        If one of them is out of its range.
    """

    temperature: float = 1.0
    threshold: float = UNDECIDED
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"a temperature is finite and above 0, not {self.temperature}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"a threshold is between 0 and 1, not {self.threshold}")
        if not np.isfinite(self.offset):
            raise ValueError(f"an offset is finite, not {self.offset}")
        object.__setattr__(self, "threshold", float(np.float32(self.threshold)))

    @classmethod
    def fit(cls, logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> Calibration:
        """Fit all three on validation frames.

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
        temperature, offset = fit_temperature_and_offset(logits, truth)
        probabilities = cls(temperature, offset=offset).probabilities(logits)
        return cls(temperature, best_threshold(probabilities, truth), offset)

    def probabilities(
        self, logits: NDArray[np.float32], places: NDArray[np.float64] | float = 0.0
    ) -> NDArray[np.float32]:
        """Calibrated probability of ``flip``: float32 of any shape to float32 in [0, 1] of that shape.

        `places`, the offsets of the frames' places, are subtracted from the calibrated logits.
        """
        scaled = np.asarray(logits, dtype=np.float64) / self.temperature
        return _sigmoid(scaled + self.offset - places).astype(np.float32)

    def flips(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which frames are ``flip``: float32 of any shape to bool of that shape."""
        return is_flip(probabilities, self.threshold)


def fit_temperature_and_offset(logits: NDArray[np.floating], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Find the T and b under which sigmoid(logits / T + b) explains the labels best.

    Parameters
    ----------
    logits
        float [N], finite.
    truth
        bool [N], True meaning ``flip``.

    Returns
    -------
    tuple of (float, float)
        Temperature, within `TEMPERATURES`, above 1 where the network was too sure of itself; and offset,
        finite, below 0 where flips are rarer than the network assumes.

    Raises
    ------
    ValueError
        If frames of either label are missing, shapes differ, or a logit isn't finite.

    Notes
    -----
    Platt, "Probabilistic outputs for support vector machines", 1999: a logistic regression on the output,
    with the targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2) instead of 1 and 0. These keep the fit finite where
    validation is separated perfectly. The mean probability is that of the targets, hence nearly the share of
    flips. A temperature alone ("temperature scaling") can't shift it.

    If the fitted slope 1 / T is outside of the bounds, T is the nearer bound and the offset alone is
    fitted. This covers logits that say the opposite of the labels: their order is kept, never reversed.
    """
    values, truth = require_both_labels(logits, truth)
    targets = _smoothed_targets(truth)
    slope, offset = _logistic_regression(values, targets)
    low, high = TEMPERATURES
    bounded = float(np.clip(slope, 1 / high, 1 / low))
    if bounded != slope:
        offset = _offset_alone(values * bounded, targets)
    return 1 / bounded, offset


def _smoothed_targets(truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    positives = np.count_nonzero(truth)
    negatives = truth.size - positives
    return np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _logistic_regression(values: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and intercept of the log-odds, fitted to targets between 0 and 1."""
    # Imported here: scoring uses a calibration without fitting one, and needs no scikit-learn.
    from sklearn.linear_model import LogisticRegression

    mean, scale = float(values.mean()), float(values.std()) or 1.0
    column = ((values - mean) / scale)[:, None]
    # Each frame twice, once a class, weighted by its target: scikit-learn takes no targets between 0 and 1.
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        np.concatenate([column, column]),
        np.repeat([1, 0], len(values)),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    slope = float(model.coef_[0, 0]) / scale
    return slope, float(model.intercept_[0]) - slope * mean


def _offset_alone(scaled: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return the b at which the mean of sigmoid(scaled + b) is the mean of the targets, by bisection."""
    wanted = float(targets.mean())
    log_odds = float(np.log(wanted / (1 - wanted)))
    low, high = log_odds - float(scaled.max()), log_odds - float(scaled.min())
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _sigmoid(scaled + middle).mean() < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    # 1 / (1 + exp(-x)), in a form that can't overflow.
    return np.exp(-np.logaddexp(0, -log_odds))
