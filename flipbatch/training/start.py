"""What each network starts from: random weights, weights below the head, or a pretrained bundle.

Knows what ``--weights`` may say, and how a network gets its first weights. Does not know recipes, frames or
Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import load_bundle
from flipbatch.models.mobilenet_v2 import MobileNetV2, read_weights
from flipbatch.models.network import Network
from flipbatch.models.network_options import NetworkOptions
from flipbatch.models.pretrained import PREFIX, is_pretrained

FROM_SCRATCH, PRETRAINED = "none", "pretrained"
_NO_FILE = ("imagenet", FROM_SCRATCH)


@dataclass(frozen=True)
class Start:
    """The first weights of one network.

    Attributes
    ----------
    options : NetworkOptions
        Which network is built.
    source : str
        What the model card says of the weights.
    weights : dict of str to Tensor, or None
        A state dict; None is random weights.
    whole : bool
        Whether the weights are those of a trained network, head included; otherwise they have torchvision's
        names, and the head starts from random weights.
    """

    options: NetworkOptions
    source: str = FROM_SCRATCH
    weights: Mapping[str, Tensor] | None = None
    whole: bool = False

    def network(self, name: str, seed: int) -> Network:
        """Build a network of an architecture: the same weights on every rank."""
        torch.manual_seed(seed)
        network = architecture(name).build(self.options)
        if self.weights is None:
            return network
        if self.whole:
            network.load_state_dict(self.weights)
            network.statistics_frozen = True
        else:
            assert isinstance(network, MobileNetV2)
            network.load_features(self.weights)
        return network


def is_file(weights: str) -> bool:
    """Return whether ``--weights`` names a file, and no weights that flipbatch knows by name."""
    return weights not in (*_NO_FILE, PRETRAINED) and not is_pretrained(weights)


def weights_source(weights: str) -> str | None:
    """Return where weights are from, without credentials."""
    return storage.redacted_uri(weights) if is_file(weights) else weights


def weights_digest(models: Sequence[str], weights: str) -> str | dict[str, str] | None:
    """Return the SHA-256 of a weights file, or the fingerprint of the bundle of each model."""
    if is_file(weights):
        return storage.digest(storage.normalise(weights), "the weights")
    return {name: load_bundle(uri)[1] for name, uri in _bundles(models, weights).items()} or None


def network_options(
    models: Sequence[str], weights: str, chosen: Mapping[str, NetworkOptions]
) -> dict[str, NetworkOptions]:
    """Return the options of each network that does not take those of a bundle: chosen ones, or defaults.

    Raises
    ------
    InputError
        If options are chosen for a network that starts from a bundle.
    BundleError
    """
    bundles = _bundles(models, weights)
    if both := sorted(bundles.keys() & chosen.keys()):
        raise InputError(
            f"{both[0]} starts from {bundles[both[0]]}, whose network has options of its own: leave yours "
            "out, or train from other weights."
        )
    return {name: chosen.get(name) or architecture(name).options() for name in models if name not in bundles}


class FirstWeights(NamedTuple):
    """Whether a network starts from trained weights, and whether its head does too."""

    pretrained: bool
    whole: bool


def first_weights(models: Sequence[str], weights: str) -> dict[str, FirstWeights]:
    """Return what each network would start from, without reading weights of ImageNet.

    Raises
    ------
    BundleError, InputError
    """
    bundles = _bundles(models, weights)
    features = weights == "imagenet" or is_file(weights)
    return {
        name: FirstWeights(name in bundles or (features and architecture(name).pretrained), name in bundles)
        for name in models
    }


def starts(models: Sequence[str], weights: str, chosen: Mapping[str, NetworkOptions]) -> dict[str, Start]:
    """Read what each model starts from.

    Parameters
    ----------
    models : sequence of str
        Architectures.
    weights : str
        What ``--weights`` says.
    chosen : dict of str to NetworkOptions
        By architecture.

    Raises
    ------
    WeightsError, BundleError, InputError
    """
    found = {name: _of_bundle(uri) for name, uri in _bundles(models, weights).items()}
    features = _features(models, weights)
    for name, options in network_options(models, weights, chosen).items():
        known = features is not None and architecture(name).pretrained
        found[name] = Start(options, str(weights_source(weights)), features) if known else Start(options)
    return found


def _features(models: Sequence[str], weights: str) -> Mapping[str, Tensor] | None:
    """Read weights below the head; None if no model takes them."""
    read = weights == "imagenet" or is_file(weights)
    return read_weights(weights) if read and any(architecture(name).pretrained for name in models) else None


def _of_bundle(uri: str) -> Start:
    bundle, _ = load_bundle(uri)
    return Start(bundle.options, uri, bundle.network().state_dict(), whole=True)


def _bundles(models: Sequence[str], weights: str) -> dict[str, str]:
    """Return the pretrained bundle that each model starts from, by architecture."""
    if weights == PRETRAINED:
        return {name: PREFIX + name for name in models}
    if not is_pretrained(weights):
        return {}
    name = load_bundle(weights)[0].architecture
    if name not in models:
        raise InputError(f"--weights {weights} is a {name}, which is not trained: add {name} to --models.")
    return {name: weights}
