"""The difference of two models over the same frames, with a paired interval.

Two models make many of the same mistakes, so the difference is estimated more precisely than either value.
Knows tallies. Does not know files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.bootstrap import BootstrapSums, percentile_interval
from flipbatch.evaluation.counts import Counts, balanced_accuracy_of_rows, f1_of_rows
from flipbatch.evaluation.tally import ModelTally

_TRUTH = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
"""Counts times this are the numbers of flip and notflip: tp + fn and fp + tn."""


def paired_difference(a: ModelTally, b: ModelTally) -> dict[str, dict[str, Any]]:
    """Compare two models that were measured on the same frames.

    Parameters
    ----------
    a, b
        Tallies over the same frames.

    Returns
    -------
    dict
        ``frames`` and ``videos``, each with ``f1`` and ``balanced_accuracy``: the value of `a` minus that of
        `b`; with ``f1_interval`` and ``balanced_accuracy_interval``: the 95 % percentile interval of the
        replicates' differences; and with ``f1_interval_contains_0`` and
        ``balanced_accuracy_interval_contains_0``. ``enough_groups`` says whether there are
        `bootstrap.GROUPS_FOR_SIGNIFICANCE` groups: with fewer, no interval shows which model is better. All
        are None where undefined.

    Raises
    ------
    ValueError
        If the two were not measured on the same frames.

    Notes
    -----
    Replicate k draws the same groups for both models (see `bootstrap.BootstrapSums`), so the difference of a
    replicate is that of two models on one bootstrap sample. Replicates that are undefined for either model
    are left out. With a handful of groups the interval is too narrow, as every bootstrap's is.
    """
    return {
        "frames": _difference(a.frames, b.frames, a.frame_sums, b.frame_sums),
        "videos": _difference(a.videos, b.videos, a.video_sums, b.video_sums),
    }


def model_difference(tallies: Mapping[str, ModelTally], model: str, minus: str) -> dict[str, Any]:
    """Return the names ``model`` and ``minus`` with the `paired_difference` of their tallies."""
    return {"model": model, "minus": minus, **paired_difference(tallies[model], tallies[minus])}


def _difference(a: Counts, b: Counts, a_sums: BootstrapSums, b_sums: BootstrapSums) -> dict[str, Any]:
    if not np.array_equal(a_sums.sums @ _TRUTH, b_sums.sums @ _TRUTH):
        raise ValueError(
            "the two models were measured on different frames: their difference is not meaningful"
        )
    f1 = f1_of_rows(a_sums.sums) - f1_of_rows(b_sums.sums)
    balanced = balanced_accuracy_of_rows(a_sums.sums) - balanced_accuracy_of_rows(b_sums.sums)
    has_interval = a_sums.has_interval
    return {
        **_entry("f1", _minus(a.f1, b.f1), f1, has_interval),
        **_entry(
            "balanced_accuracy", _minus(a.balanced_accuracy, b.balanced_accuracy), balanced, has_interval
        ),
        "enough_groups": a_sums.has_enough_groups if has_interval else None,
    }


def _entry(
    name: str, value: float | None, replicates: NDArray[np.float64], has_interval: bool
) -> dict[str, Any]:
    interval = percentile_interval(replicates) if has_interval and value is not None else None
    return {
        name: value,
        f"{name}_interval": list(interval) if interval else None,
        f"{name}_interval_contains_0": interval[0] <= 0 <= interval[1] if interval else None,
    }


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
