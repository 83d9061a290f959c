"""Tallies of models that are right about a share of the frames."""

from __future__ import annotations

import numpy as np

from flipbatch.evaluation.tally import ModelTally


def tally_of(right: float, groups: int = 12, frames: int = 10, first: int = 0) -> ModelTally:
    """Return the tally of `groups`, half of them flips, of which a model gets `right` of the frames right."""
    good = round(right * frames)
    rows = [
        (good, 0, frames - good, 0) if group % 2 else (0, frames - good, 0, good) for group in range(groups)
    ]
    names = [f"group {first + group}" for group in range(groups)]
    return ModelTally.of(names, np.array(rows), np.sign(rows))
