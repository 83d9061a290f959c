"""The results of cross-validation: per fold, their mean and spread, and all folds pooled.

Knows tallies of folds; knows no network and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import combinations
from operator import add
from statistics import mean, stdev
from typing import Any

from flipbatch.evaluation.paired import model_difference
from flipbatch.evaluation.tally import ModelTally
from flipbatch.schema import Split
from flipbatch.training.folds import FoldPlan
from flipbatch.training.splits import SplitFrames

MEASURES = ("f1", "balanced_accuracy")

Tallies = Mapping[str, ModelTally]


def summarise_folds(
    plan: FoldPlan,
    splits: Sequence[SplitFrames],
    tallies: Sequence[Tallies],
    leaks: Sequence[Mapping[str, Any] | None] | None = None,
) -> dict[str, Any]:
    """Return the content of ``folds.json``.

    Parameters
    ----------
    plan : FoldPlan
    splits : sequence of SplitFrames
        One per fold.
    tallies : sequence of mapping of str to ModelTally
        One per fold: each model's tally of the groups that were held out. Each group is in one fold.
    leaks : sequence of mapping or None, optional
        One per fold: what its bundles say of equal pictures.

    Returns
    -------
    dict
        - ``plan``: the number of folds, or ``leave-one-out``.
        - ``folds``: for each ``fold`` (from 1), ``frames``, ``groups``, ``held_out`` (their names),
          ``leak`` as in comparison.json, and ``models``: ``frames``, ``videos`` and ``per_video`` as in
          metrics.json.
        - ``models``: for each ``mean``, ``spread`` (the standard deviation over folds) and ``defined_for``
          (folds) of ``f1`` and ``balanced_accuracy`` over frames; and ``pooled``, as in metrics.json: each
          frame is decided by the model that did not see its group, and intervals are by group.
        - ``differences``: paired, of each two models, pooled, as in comparison.json.

        Undefined values are None.
    """
    pooled = {name: reduce(add, (fold[name] for fold in tallies)) for name in tallies[0]}
    return {
        "plan": str(plan),
        "folds": [
            _fold(number, *fold)
            for number, fold in enumerate(zip(splits, tallies, leaks or [None] * len(splits), strict=True), 1)
        ],
        "models": {
            name: {**_over_folds([fold[name] for fold in tallies]), "pooled": pooled[name].to_json()}
            for name in pooled
        },
        "differences": [model_difference(pooled, a, b) for a, b in combinations(pooled, 2)],
    }


def _fold(
    number: int, splits: SplitFrames, tallies: Tallies, leak: Mapping[str, Any] | None
) -> dict[str, Any]:
    held_out = splits.of(Split.TEST)
    groups = sorted(held_out["group"].unique().to_pylist())
    return {
        "fold": number,
        "frames": held_out.num_rows,
        "groups": len(groups),
        "held_out": groups,
        "leak": leak,
        "models": {name: tally.to_json() for name, tally in tallies.items()},
    }


def _over_folds(tallies: Sequence[ModelTally]) -> dict[str, Any]:
    return {measure: _spread([getattr(one.frames, measure) for one in tallies]) for measure in MEASURES}


def _spread(values: Sequence[float | None]) -> dict[str, float | int | None]:
    defined = [value for value in values if value is not None]
    return {
        "mean": mean(defined) if defined else None,
        "spread": stdev(defined) if len(defined) > 1 else None,
        "defined_for": len(defined),
    }
