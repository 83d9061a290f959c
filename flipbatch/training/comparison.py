"""Trained models compared: validation chooses the best, the test split measures it against the others.

Knows model cards and tallies of the test split; knows no network and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipbatch.evaluation.paired import model_difference
from flipbatch.evaluation.tally import ModelTally

Provenance = Mapping[str, Any]

CHOSEN_BY = "F1 on the validation split"


def compare(provenances: Mapping[str, Provenance], tallies: Mapping[str, ModelTally]) -> dict[str, Any]:
    """Choose the best model on validation, and report all on the test split.

    Parameters
    ----------
    provenances : mapping of str to mapping
        Model name to the provenance of its bundle.
    tallies : mapping of str to ModelTally
        Model name to its tally of the test split, the same frames for all.

    Returns
    -------
    dict
        The content of ``comparison.json``:

        - ``best``: the name of the model with the largest frame F1 on validation at its own threshold; of
          equals the one with the lower validation loss, then the first.
        - ``chosen_by``: what chose it.
        - ``leak``: for each split its decoded ``frames``, how many of them are ``repeated`` (copies of
          another frame of the split), and how many of val and test are ``in_train``, or ``in_val``, too. None
          if an older version trained the model.
        - ``models``: for each the test metrics ``frames``, ``videos`` and ``per_video``, with ``validation``,
          ``test_unseen_videos`` and ``test_unseen_groups`` beside them.
        - ``differences``: of the best model to each other model on the test split, see
          `paired.model_difference`.
    """
    best = max(provenances, key=lambda name: _rank(provenances[name]))
    return {
        "best": best,
        "chosen_by": CHOSEN_BY,
        "leak": leak_of(provenances[best]),
        "models": {name: _entry(one["metrics"]) for name, one in provenances.items()},
        "differences": [model_difference(tallies, best, other) for other in provenances if other != best],
    }


def leak_of(provenance: Provenance) -> dict[str, Any] | None:
    """Return what a bundle says of equal pictures; None if an older version trained it."""
    return provenance.get("data", {}).get("leak")


def _entry(metrics: Provenance) -> dict[str, Any]:
    others = {name: metrics[name] for name in ("validation", "test_unseen_videos", "test_unseen_groups")}
    return {**(metrics["test"] or {"frames": None, "videos": None, "per_video": None}), **others}


def _rank(provenance: Provenance) -> tuple[float, float]:
    """Return what a better model has more of; an undefined F1 is the worst, a null loss an infinite one."""
    f1 = provenance["metrics"]["validation"]["frames"]["f1"]
    loss = provenance["history"][provenance["training"]["best_epoch"]]["val"]["loss"]
    return (-1.0 if f1 is None else f1, -float("inf") if loss is None else -loss)
