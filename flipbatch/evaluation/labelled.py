"""Checks of numbers and their labels, before anything is fitted to them.

Knows vectors of numbers and of labels. Does not know whether the numbers are logits or probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def require_both_labels(
    values: NDArray[np.floating], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the two as float64 [N] and bool [N].

    Parameters
    ----------
    values
        float [N], one number per frame.
    truth
        bool [N], True meaning ``flip``.

    Raises
    ------
    ValueError
        If frames of either label are missing, shapes differ, or a number isn't finite.
    """
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
