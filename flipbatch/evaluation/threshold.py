"""Probabilities become predictions: the one comparison with a threshold, and the search for the best one.

Knows probabilities and labels. Does not know logits, tables or models.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flipbatch.evaluation.labelled import require_both_labels

UNDECIDED = 0.5
"""The threshold of a model that was not calibrated. Ties of `best_threshold` go towards it."""


def is_flip(probabilities: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """Return which probabilities are ``flip``: those at or above the threshold.

    Parameters
    ----------
    probabilities
        float32 for frames, float64 for the means of videos; any shape. NaN is never ``flip``.
    threshold
        In [0, 1]; rounded to float32 here.

    Returns
    -------
    bool, of the same shape.

    Notes
    -----
    The threshold is rounded to float32, the probabilities are compared as they are. For float32 probabilities
    all readers of a table decide alike, whatever precision they compare in. A video's mean is float64 and is
    not rounded: a mean just below the threshold is ``notflip``.
    """
    return np.asarray(probabilities) >= np.float64(np.float32(threshold))


def best_threshold(probabilities: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Find the threshold whose predictions (`is_flip`) have the largest F1.

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
        between 0 and the smallest. Among equally good ones it is the nearest to 0.5, and the lower of two at
        the same distance; 0.5 itself where all probabilities are 0 or no candidate is inside.

    Raises
    ------
    ValueError
        If frames of either label are missing, shapes differ, or a probability isn't finite.
    """
    values, truth = require_both_labels(probabilities, truth)
    distinct, index = np.unique(values.astype(np.float32), return_inverse=True)
    thresholds = _midpoints(distinct)
    f1 = _f1_from_each_up(index, truth, len(distinct))
    inside = (thresholds > 0) & (thresholds < 1)
    if not inside.any():
        return UNDECIDED
    tied = thresholds[inside & (f1 == f1[inside].max())]
    return float(tied[np.argmin(np.abs(tied.astype(np.float64) - UNDECIDED))])


def _midpoints(distinct: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each of the rising values, a float32 that is above the one before and not above it: float32 [K].

    The value before the first is 0. There is no float32 number between two neighbours, so the midpoint may
    round to the lower one; then the upper one itself separates them.
    """
    before = np.concatenate([np.zeros(1, dtype=np.float32), distinct[:-1]])
    middle = ((before.astype(np.float64) + distinct) / 2).astype(np.float32)
    return np.where(middle > before, middle, distinct)


def _f1_from_each_up(index: NDArray[np.intp], truth: NDArray[np.bool_], values: int) -> NDArray[np.float64]:
    """F1 when the frames of value k and above are predicted ``flip``, for each k: float64 [values]."""
    frames = np.bincount(index, minlength=values)
    positives = np.bincount(index[truth], minlength=values)
    predicted, tp = np.cumsum(frames[::-1])[::-1], np.cumsum(positives[::-1])[::-1]
    # 2 tp + fp + fn is the number of frames predicted flip plus the number of flips, which is above 0.
    return 2 * tp / (predicted + positives.sum())
