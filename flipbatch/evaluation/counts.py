"""Confusion matrices and the ratios that follow from them.

Counts add: the counts of two disjoint sets add up to the counts of both. Knows labels and predictions. Does
not know probabilities, thresholds, tables or intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Counts:
    """A confusion matrix; the positive class is ``flip``.

    Parameters
    ----------
    tp, fp, fn, tn
        True positives, false positives, false negatives, true negatives; each 0 or more.

    Notes
    -----
    A ratio whose denominator is 0 is undefined: None, never 0 or 1.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def of(cls, truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Counts:
        """Count agreements of labels and predictions, True meaning ``flip``.

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

    @classmethod
    def of_rows(cls, rows: NDArray[np.int64]) -> Counts:
        """Add up rows of counts: int64 [N, 4], columns tp, fp, fn, tn."""
        return cls(*rows.sum(axis=0).tolist())

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def total(self) -> int:
        """The number of predictions."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def f1(self) -> float | None:
        """2 tp / (2 tp + fp + fn), in [0, 1]; None without positive labels and positive predictions."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """Share of positive predictions that are right: tp / (tp + fp), in [0, 1]; None without any."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of positive labels that are predicted: tp / (tp + fn), in [0, 1]; None without any."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def accuracy(self) -> float | None:
        """Share of predictions that are right: (tp + tn) / total, in [0, 1]; None without any."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the two classes' recalls, in [0, 1]; None unless there are labels of both classes."""
        specificity = _ratio(self.tn, self.tn + self.fp)
        if self.recall is None or specificity is None:
            return None
        return (self.recall + specificity) / 2


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def as_rows(counts: ArrayLike, rows: int) -> NDArray[np.int64]:
    """Return rows of counts as int64 [rows, 4], columns tp, fp, fn, tn.

    Raises
    ------
    ValueError
        If they have another shape.
    """
    array = np.asarray(counts, dtype=np.int64)
    if array.shape != (rows, 4):
        raise ValueError(f"counts of {rows} rows must have shape ({rows}, 4), not {array.shape}")
    return array


def f1_of_rows(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each row of counts.

    Parameters
    ----------
    rows
        int64 [N, 4], columns tp, fp, fn, tn.

    Returns
    -------
    float64 [N] in [0, 1], NaN where F1 is undefined; equal to `Counts.f1` bit for bit.
    """
    tp, fp, fn, _ = rows.T
    return _ratios(2 * tp, 2 * tp + fp + fn)


def balanced_accuracy_of_rows(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Balanced accuracy of each row of counts.

    Parameters
    ----------
    rows
        int64 [N, 4], columns tp, fp, fn, tn.

    Returns
    -------
    float64 [N] in [0, 1], NaN where it is undefined; equal to `Counts.balanced_accuracy` bit for bit.
    """
    tp, fp, fn, tn = rows.T
    return (_ratios(tp, tp + fn) + _ratios(tn, tn + fp)) / 2


def _ratios(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
