"""A model bundle: one directory with weights and a model card, which contain all that scoring needs.

A README for people and model hubs lies beside them. Knows the files of a bundle and how to read them without
executing anything. Does not know how weights are trained or run, and imports torch only to build a network.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from flipbatch import storage
from flipbatch.errors import BundleError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle_readme import bundle_readme
from flipbatch.models.network_options import NetworkOptions
from flipbatch.models.preprocessing import preprocessing
from flipbatch.models.pretrained import locate_bundle
from flipbatch.runtime.versions import VERSION, versions
from flipbatch.schema import Label

if TYPE_CHECKING:
    from torch import Tensor

    from flipbatch.models.network import Network

FORMAT_VERSION = 3
"""Raised whenever an older flipbatch would misread a bundle. Version 1 has no calibration offset, version
2 no options of the network, version 3 no class maps."""

LARGEST_INPUT = 4096
"""Most pixels of an input's longer side. Workers allocate memory for a whole shard of such inputs."""

WEIGHTS_FILE = "model.safetensors"
MODEL_CARD_FILE = "model.json"
README_FILE = "README.md"
"""Made of the model card: it is never read, and not a part of the bundle fingerprint."""


@dataclass(frozen=True)
class Bundle:
    """A trained model with its calibration and its provenance.

    Attributes
    ----------
    name : str
        The model's name in tables.
    architecture : str
        The network that the weights are for, one of `architectures.ARCHITECTURES`.
    input_size : InputSize
        The size that frames are decoded to.
    calibration : Calibration
        Temperature, offset and threshold, fitted on validation.
    weights : mapping of str to ndarray
        The network's state dict.
    provenance : mapping of str to Any
        How the model was made, for readers of the model card: ``metrics``, ``data``, ``training``,
        ``history``; plain JSON values.
    network_options : NetworkOptions or None
        What the network differs in from others of its architecture; None is the defaults.
    """

    name: str
    architecture: str
    input_size: InputSize
    calibration: Calibration
    weights: Mapping[str, npt.NDArray[Any]]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    network_options: NetworkOptions | None = None

    @property
    def options(self) -> NetworkOptions:
        """The options of the network, where none were given the architecture's defaults."""
        return self.network_options or architecture(self.architecture).options()

    def network(self) -> Network:
        """Build the torch network with these weights, in evaluation mode.

        Raises
        ------
        BundleError
            If the weights do not fit the architecture.
        """
        import torch

        network = architecture(self.architecture).build(self.options)
        try:
            # Copied: torch would keep using the given memory, which other networks share.
            network.load_state_dict({name: torch.tensor(value) for name, value in self.weights.items()})
        except RuntimeError as error:
            why = " ".join(str(error).split())[:200]
            raise BundleError(f"The weights of {self.name} do not fit {self.architecture}: {why}.") from error
        return network.eval()

    def model_card(self) -> dict[str, Any]:
        """Return the content of ``model.json``, without the checksum of the weights."""
        return {
            "versions": versions(),  # a loaded bundle's provenance replaces them by those of its training
            **self.provenance,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "architecture": self.architecture,
            "network": self.options.to_json(),
            "input": {"height": self.input_size.height, "width": self.input_size.width},
            "preprocessing": preprocessing(),
            "classes": [Label.NOTFLIP, Label.FLIP],
            "positive_class": Label.FLIP,
            "threshold": self.calibration.threshold,
            "temperature": self.calibration.temperature,
            "offset": self.calibration.offset,
        }


def half_size(bundle: Bundle) -> Bundle:
    """Return a bundle whose kernels are float16: half as large a file, and float32 again once it is loaded.

    The numbers of BatchNorm and biases stay float32. They are few, and a small variance would become 0.
    """
    halved = {
        name: one.astype(np.float16) if one.ndim > 1 and one.dtype == np.float32 else one
        for name, one in bundle.weights.items()
    }
    return replace(bundle, weights=halved)


def as_arrays(state: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Return a torch state dict as the arrays of a bundle."""
    return {name: value.detach().cpu().numpy() for name, value in state.items()}


def save_bundle(bundle: Bundle, uri: str) -> None:
    """Write a bundle.

    The model card is written last and has the checksum of the weights: a bundle with a matching card is
    complete. Infinities and NaN in its provenance, such as the loss of a diverged epoch, become null.

    Raises
    ------
    StorageError
    """
    data = safetensors.numpy.save({name: np.asarray(w, order="C") for name, w in bundle.weights.items()})
    storage.write(storage.join(uri, WEIGHTS_FILE), data)
    model_card = _finite({**bundle.model_card(), _CHECKSUM: hashlib.sha256(data).hexdigest()})
    text = json.dumps(model_card, indent=2, sort_keys=True, allow_nan=False) + "\n"
    readme = bundle_readme(json.loads(text), _fingerprint(text.encode(), data))
    storage.write(storage.join(uri, README_FILE), readme.encode())
    storage.write(storage.join(uri, MODEL_CARD_FILE), text.encode())


def _fingerprint(model_card: bytes, weights: bytes) -> str:
    return hashlib.sha256(model_card + weights).hexdigest()


def _finite(value: Any) -> Any:
    """Return a JSON value with null instead of infinities and NaN."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_bundle(uri: str) -> tuple[Bundle, str]:
    """Read a bundle.

    Parameters
    ----------
    uri : str
        Its directory, or ``pretrained:NAME`` for one that comes with the package.

    Returns
    -------
    tuple of (Bundle, str)
        The bundle, and the bundle fingerprint: the SHA-256 of its model card and its weights as 64
        hexadecimal digits.

    Raises
    ------
    BundleError
        If it is missing, damaged, made by a newer version or preprocessed in another way; if the package
        has no bundle of the name.
    StorageError
        If the storage does not answer.
    """
    uri = locate_bundle(uri)
    card_bytes, weights_bytes = _read(uri, MODEL_CARD_FILE), _read(uri, WEIGHTS_FILE)
    bundle = _assemble(uri, _parse_model_card(uri, card_bytes), weights_bytes)
    return bundle, _fingerprint(card_bytes, weights_bytes)


def _read(uri: str, name: str) -> bytes:
    path = storage.join(uri, name)
    if not storage.exists(path):
        raise BundleError(
            f"{uri} is not a model bundle: it has no {name}. Give the directory that train.py wrote, "
            "OUT/models/NAME."
        )
    return storage.read_required(path, "the file of the bundle")


def _parse_model_card(uri: str, data: bytes) -> dict[str, Any]:
    try:
        model_card = json.loads(data)
        found = int(model_card["format_version"])
        trained_with = dict(model_card.get("versions", {}))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise BundleError(
            f"The bundle {uri} is damaged: its {MODEL_CARD_FILE} can't be read ({error})."
        ) from error
    if found > FORMAT_VERSION:
        made_by = trained_with.get("flipbatch", "a newer version")
        raise BundleError(
            f"The bundle {uri} has format {found}, made by flipbatch {made_by}; this is flipbatch "
            f"{VERSION}, which reads up to format {FORMAT_VERSION}: upgrade it."
        )
    return model_card


def _input_size(value: dict[str, Any]) -> InputSize:
    size = InputSize(int(value["height"]), int(value["width"]))
    if max(size.height, size.width) > LARGEST_INPUT:
        msg = f"an input of {size.height} x {size.width} pixels is larger than {LARGEST_INPUT}"
        raise ValueError(msg)
    return size


_CHECKSUM = "weights_sha256"
_ANY = Bundle("", "cnn_model", InputSize(1, 1), Calibration(), {})
_OWN_KEYS = {_CHECKSUM, *_ANY.model_card()} - {"versions"}


def _calibration(model_card: dict[str, Any]) -> Calibration:
    return Calibration(
        temperature=float(model_card["temperature"]),
        threshold=float(model_card["threshold"]),
        offset=float(model_card.get("offset", 0.0)),  # bundles of format 1 have none
    )


def _options(model_card: dict[str, Any]) -> NetworkOptions:
    chosen = architecture(str(model_card["architecture"]))
    if "network" not in model_card:
        return chosen.former
    return chosen.options.from_json(model_card["network"])


def _full_precision(weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return weights that all engines compute with: a bundle may store some in float16, to be small."""
    return {name: one.astype(np.float32) if one.dtype == np.float16 else one for name, one in weights.items()}


def _assemble(uri: str, model_card: dict[str, Any], weights: bytes) -> Bundle:
    try:
        bundle = Bundle(
            name=str(model_card["name"]),
            architecture=str(model_card["architecture"]),
            input_size=_input_size(model_card["input"]),
            calibration=_calibration(model_card),
            weights=_full_precision(safetensors.numpy.load(weights)),
            provenance={key: value for key, value in model_card.items() if key not in _OWN_KEYS},
            network_options=_options(model_card),
        )
        prepared, checksum = model_card["preprocessing"], model_card[_CHECKSUM]
    except (KeyError, TypeError, ValueError, OverflowError, safetensors.SafetensorError) as error:
        raise BundleError(f"The bundle {uri} is damaged: {type(error).__name__} {error}.") from error
    if checksum != hashlib.sha256(weights).hexdigest():
        raise BundleError(
            f"The bundle {uri} is damaged: its {WEIGHTS_FILE} does not match the checksum in its model card."
        )
    if prepared != preprocessing():
        raise BundleError(
            f"The bundle {uri} was trained with a preprocessing that this version does not use."
        )
    return bundle
