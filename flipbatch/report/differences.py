"""Differences between models, each with its paired interval and the better model.

Knows ``differences`` of ``metrics.json`` and ``comparison.json``. Does not know markup or terminals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

_MEASURES = {
    ("videos", "balanced_accuracy"): "balanced accuracy, videos",
    ("frames", "balanced_accuracy"): "balanced accuracy, frames",
    ("frames", "f1"): "F1, frames",
}

NO_DIFFERENCE = "no significant difference"
TOO_FEW_GROUPS = "too few groups to tell"


@dataclass(frozen=True)
class Difference:
    """The value of one model minus that of another.

    Attributes
    ----------
    model, minus : str
        The names of the models.
    measure : str
        Which value is compared.
    value, low, high : float
        The difference, in [-1, 1], and its 95 % interval.
    enough_groups : bool
        Whether there are enough groups to tell which model is better.
    """

    model: str
    minus: str
    measure: str
    value: float
    low: float
    high: float
    enough_groups: bool

    @property
    def better(self) -> str | None:
        """The name of the better model; None if there are too few groups or the interval contains 0."""
        if not self.enough_groups or self.low <= 0 <= self.high:
            return None
        return self.model if self.value > 0 else self.minus

    @property
    def undecided(self) -> str:
        """Why no model is better."""
        return NO_DIFFERENCE if self.enough_groups else TOO_FEW_GROUPS


def differences(metrics: Mapping[str, Any]) -> list[Difference]:
    """Return all differences that are defined; none in files of older versions.

    Parameters
    ----------
    metrics : mapping
        The content of ``metrics.json`` or ``comparison.json``.
    """
    return [
        Difference(
            pair["model"],
            pair["minus"],
            title,
            pair[level][key],
            *pair[level][f"{key}_interval"],
            enough_groups=pair[level].get("enough_groups", True),
        )
        for pair in metrics.get("differences", ())
        for (level, key), title in _MEASURES.items()
        if pair[level].get(f"{key}_interval") is not None
    ]


def by_pair(found: Sequence[Difference]) -> list[tuple[str, str, list[Difference]]]:
    """Return the names of each pair of models, `model` and `minus`, with a list of their differences."""
    pairs = groupby(found, key=lambda one: (one.model, one.minus))
    return [(model, minus, list(group)) for (model, minus), group in pairs]
