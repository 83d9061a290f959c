"""The options of a training command, and the identity of its run.

Knows values only. Does not know Ray, frames or networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flipbatch import storage
from flipbatch.models.architectures import ARCHITECTURES, architecture
from flipbatch.models.network_options import NetworkOptions
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.start import network_options, weights_digest, weights_source
from flipbatch.training.trainer import Executor


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
        What models start from: ``imagenet``, ``none`` or the URI of a file, for `mobilenet_v2` alone;
        ``pretrained`` or ``pretrained:NAME``.
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
    networks : dict of str to NetworkOptions
        Options of networks by architecture; the defaults where there are none.
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
    networks: Mapping[str, NetworkOptions] = field(default_factory=dict)

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """Return what must be equal for a resume: everything that changes the bundles."""
        return {
            "command": "train",
            "frames": storage.redacted_uri(self.frames),
            "manifest": storage.redacted_uri(self.manifest),
            "models": list(self.models),
            "weights": weights_source(self.weights),
            "weights_digest": weights_digest(self.models, self.weights),
            "networks": self._networks(),
            "data_fingerprint": data_fingerprint,
            "folds": None if self.folds is None else str(self.folds),
            **{name: getattr(self.settings, name) for name in ("epochs", "patience", "min_delta", "seed")},
            **self._rendered_share(),
        }

    def _rendered_share(self) -> dict[str, Any]:
        """Return the share of rendered frames, or nothing without them, as before there were any."""
        share = self.settings.rendered_share
        return {"rendered_share": share} if share else {}

    def _networks(self) -> dict[str, Any]:
        """Return the options of networks, without those that all networks had before there were options."""
        options = network_options(self.models, self.weights, self.networks)
        return {name: one.to_json() for name, one in options.items() if one != architecture(name).former}
