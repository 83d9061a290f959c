"""Options and results of small training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flipbatch.models.bundle import load_bundle
from flipbatch.training.fit import Settings
from flipbatch.training.options import TrainOptions

COUNTS = ("tp", "fp", "fn", "tn")


def options(frames: Path | str | None, out: Path | str, **changes: object) -> TrainOptions:
    """Return the options of a run of `cnn_model` in this process, two epochs unless changed."""
    chosen: dict[str, object] = {
        "frames": frames and str(frames),
        "out": str(out),
        "models": ("cnn_model",),
        "weights": "none",
        "executor": "local",
        "settings": Settings(epochs=2),
    }
    return TrainOptions(**(chosen | changes))  # pyright: ignore[reportArgumentType]


def record(out: Path | str, name: str = "cnn_model") -> dict[str, Any]:
    """Return what a bundle says of how it was made."""
    return dict(load_bundle(f"{out}/models/{name}")[0].provenance)


def decided(metrics: dict[str, Any]) -> int:
    """Return how many frames or videos were counted."""
    return sum(metrics[name] for name in COUNTS)
