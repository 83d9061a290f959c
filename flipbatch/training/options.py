"""The options of a training command, and the identity of its run.

Knows values only. Does not know Ray, frames or networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flipbatch import storage
from flipbatch.models.architectures import ARCHITECTURES
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.trainer import Executor

_NO_FILE = ("imagenet", "none")


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training command.

    Attributes
    ----------
    out : str
        Output directory, any URI.
    frames, manifest : str or None
        Where the labelled frames are; one of the two is given.
    models : tuple of str
        Architectures to train.
    weights : str
        The weights that `mobilenet_v2` starts from: ``imagenet``, ``none`` or a URI.
    settings : Settings
    folds : FoldPlan or None
        How cross-validation assigns groups to folds; None trains on one split.
    executor : {"ray", "local"}
        ``local`` trains in this process, without Ray.
    workers : int
        Ray Train workers.
    gpu : bool
        Whether each worker takes a GPU.
    resume : bool
        Whether to continue the run in `out`.
    notes : tuple of str
        Warnings of the caller for the model cards.
    """

    out: str
    frames: str | None = None
    manifest: str | None = None
    models: tuple[str, ...] = tuple(ARCHITECTURES)
    weights: str = "imagenet"
    settings: Settings = field(default_factory=Settings)
    folds: FoldPlan | None = None
    executor: Executor = "ray"
    workers: int = 1
    gpu: bool = False
    resume: bool = False
    notes: tuple[str, ...] = ()

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """Return what must be equal for a resume: everything that changes the bundles."""
        return {
            "command": "train",
            "frames": storage.redacted_uri(self.frames),
            "manifest": storage.redacted_uri(self.manifest),
            "models": list(self.models),
            "weights": self.weights_source,
            "weights_digest": _weights_digest(self.weights),
            "data_fingerprint": data_fingerprint,
            "folds": None if self.folds is None else str(self.folds),
            **{name: getattr(self.settings, name) for name in ("epochs", "patience", "min_delta", "seed")},
        }

    @property
    def weights_source(self) -> str | None:
        """Where pretrained weights are from, without credentials."""
        return self.weights if self.weights in _NO_FILE else storage.redacted_uri(self.weights)


def _weights_digest(weights: str) -> str | None:
    return None if weights in _NO_FILE else storage.digest(storage.normalise(weights), "the weights")
