"""The reliability curve and the expected calibration error of probabilities.

Probabilities are reliable if, for example, 70 % of the frames with probability 0.7 are flips. Knows
probabilities and labels. Does not know models, tables or files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.calibration import Calibration

RELIABILITY_BINS = 10
"""Bins of equal width from 0 to 1."""

_UNCALIBRATED = Calibration()


def calibration_report(
    logits: NDArray[np.float32], truth: NDArray[np.bool_], calibration: Calibration
) -> dict[str, Any]:
    """Compare calibrated and uncalibrated probabilities with the labels, in plain JSON values.

    Parameters
    ----------
    logits
        float32 [N], finite, at least one.
    truth
        bool [N], True meaning ``flip``.
    calibration
        Fitted before. On the frames that it was fitted on, its own error is a little too small.

    Returns
    -------
    dict
        ``expected_calibration_error``: ``before`` (temperature 1, offset 0) and ``after``;
        ``mean_probability``, calibrated, and ``share_of_flips``, equal where the offset is right; and
        ``reliability``, the calibrated curve as `reliability_curve` gives it.
    """
    before, after = _UNCALIBRATED.probabilities(logits), calibration.probabilities(logits)
    return {
        "expected_calibration_error": {
            "before": expected_calibration_error(before, truth),
            "after": expected_calibration_error(after, truth),
        },
        "mean_probability": float(after.mean(dtype=np.float64)),
        "share_of_flips": float(np.mean(truth)),
        "reliability": reliability_curve(after, truth),
    }


def reliability_curve(
    probabilities: NDArray[np.floating], truth: NDArray[np.bool_]
) -> list[dict[str, float | int | None]]:
    """Return one entry a bin of probability, from 0 to 1.

    Parameters
    ----------
    probabilities
        float [N] in [0, 1].
    truth
        bool [N], True meaning ``flip``.

    Returns
    -------
    list of dict
        ``low`` (included) and ``high`` (excluded, but for 1), ``frames``, ``mean_probability`` and
        ``share_of_flips``; the last two are None in a bin without frames.
    """
    edges, frames, predicted, flips = _bins(probabilities, truth)
    return [
        {
            "low": float(edges[b]),
            "high": float(edges[b + 1]),
            "frames": int(frames[b]),
            "mean_probability": float(predicted[b] / frames[b]) if frames[b] else None,
            "share_of_flips": float(flips[b] / frames[b]) if frames[b] else None,
        }
        for b in range(RELIABILITY_BINS)
    ]


def expected_calibration_error(probabilities: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Mean over frames of |mean probability - share of flips| of the frame's bin, in [0, 1].

    Parameters
    ----------
    probabilities
        float [N] in [0, 1], at least one.
    truth
        bool [N], True meaning ``flip``.

    Notes
    -----
    Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015,
    for the probability of ``flip``. Perfectly calibrated probabilities of few frames have an error above 0.
    """
    _, frames, predicted, flips = _bins(probabilities, truth)
    return float(np.abs(predicted - flips).sum() / frames.sum())


def _bins(probabilities: NDArray[np.floating], truth: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
    """Return edges [BINS + 1], and per bin [BINS] frames, sum of probabilities and number of flips."""
    values, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.shape != truth.shape or values.ndim != 1 or not values.size:
        raise ValueError(f"reliability needs two vectors of one length, not {values.shape} and {truth.shape}")
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1).round(10)
    frames, _ = np.histogram(values, edges)
    predicted, _ = np.histogram(values, edges, weights=values)
    flips, _ = np.histogram(values[truth], edges)
    return edges, frames, predicted, flips
