"""What a run with ``--adapt`` says of itself: that probabilities depend on neighbours, and by how much.

Knows ``metrics.json``. Knows no tables and no markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipbatch.runtime.wording import counted

DEPENDS = "A frame's probability depends on the other frames of its place."


def adapted_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Return what is said of a run that adapts; nothing of another.

    Returns
    -------
    list of str
        Sentences, the last ones with the offsets of one model each.
    """
    adaptation = metrics.get("adaptation")  # files of older versions have none
    if not adaptation:
        return []
    places, sampled = counted(adaptation["places"], "place"), counted(adaptation["frames"], "frame")
    sentences = [f"Adapted to {places}, by {sampled} without their labels.", DEPENDS]
    return [*sentences, *(_offsets(name, model) for name, model in adaptation["models"].items())]


def _offsets(name: str, model: Mapping[str, float]) -> str:
    smallest, middle, largest = (f"{model[key]:+.2f}" for key in ("smallest", "median", "largest"))
    return f"Offsets from {smallest} to {largest} logits, median {middle}: {name}."
