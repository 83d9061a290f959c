"""A model bundle: one directory with weights and all that scoring needs to use them.

Knows the two files of a bundle and how they are read without executing anything; knows nothing of how
weights are trained or run, and imports no torch unless it is asked for a network of torch's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from flipbatch import __version__, storage
from flipbatch.errors import BundleError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.models.architectures import architecture
from flipbatch.models.preprocessing import preprocessing
from flipbatch.runtime.versions import versions
from flipbatch.schema import Label

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT_VERSION = 1
"""Raised whenever an older flipbatch would misread a bundle."""

LARGEST_INPUT = 4096
"""Pixels of an input's longer side that a card may ask for: workers make room for a whole shard of such."""

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"


@dataclass(frozen=True)
class Bundle:
    """A trained model with its preprocessing, its calibration and its history.

    Attributes
    ----------
    name : str
        What the model is called in tables.
    architecture : str
        Which network the weights are for.
    input_size : InputSize
        What frames are decoded to.
    calibration : Calibration
        Temperature and threshold, from validation.
    weights : mapping of str to ndarray
        The network's state dict.
    record : mapping of str to Any
        How it came about, for people: ``metrics``, ``data``, ``training``, ``history``; plain JSON values.
    """

    name: str
    architecture: str
    input_size: InputSize
    calibration: Calibration
    weights: Mapping[str, npt.NDArray[Any]]
    record: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> nn.Module:
        """Build torch's network with these weights, in evaluation mode.

        Raises
        ------
        BundleError
            Where the weights do not fit the architecture.
        """
        import torch

        network = architecture(self.architecture).build()
        try:
            # Copied: torch would go on with the very memory that it is given, which others share.
            network.load_state_dict({name: torch.tensor(value) for name, value in self.weights.items()})
        except RuntimeError as error:
            why = " ".join(str(error).split())[:200]
            raise BundleError(f"The weights of {self.name} do not fit {self.architecture}: {why}.") from error
        return network.eval()

    def card(self) -> dict[str, Any]:
        """Return what ``model.json`` says."""
        return {
            "versions": versions(),  # unless the record holds those that it was trained with
            **self.record,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "architecture": self.architecture,
            "input": {"height": self.input_size.height, "width": self.input_size.width},
            "preprocessing": preprocessing(),
            "classes": [Label.NOTFLIP, Label.FLIP],
            "positive_class": Label.FLIP,
            "threshold": self.calibration.threshold,
            "temperature": self.calibration.temperature,
        }


def as_arrays(state: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Return a state dict of torch's as the arrays that a bundle holds."""
    return {name: value.detach().cpu().numpy() for name, value in state.items()}


def save_bundle(bundle: Bundle, uri: str) -> None:
    """Write a bundle; the card comes last and names the weights, so that a bundle whose card fits is whole.

    Numbers of its record that are infinite or none at all, such as the loss of an epoch that diverged,
    become null.

    Raises
    ------
    StorageError
    """
    data = safetensors.numpy.save({name: np.asarray(w, order="C") for name, w in bundle.weights.items()})
    storage.write(storage.join(uri, WEIGHTS_FILE), data)
    card = _finite({**bundle.card(), _CHECKSUM: hashlib.sha256(data).hexdigest()})
    text = json.dumps(card, indent=2, sort_keys=True, allow_nan=False)
    storage.write(storage.join(uri, CARD_FILE), (text + "\n").encode())


def _finite(value: Any) -> Any:
    """Return a JSON value with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_bundle(uri: str) -> tuple[Bundle, str]:
    """Read a bundle, and fingerprint it.

    Returns
    -------
    tuple of (Bundle, str)
        The bundle, and the SHA-256 of its two files as 64 hexadecimal digits.

    Raises
    ------
    BundleError
        Where it is missing, damaged, made by a newer version or preprocessed in another way.
    StorageError
        Where the storage does not answer.
    """
    uri = storage.normalise(uri)
    card_bytes, weights_bytes = _read(uri, CARD_FILE), _read(uri, WEIGHTS_FILE)
    bundle = _assemble(uri, _parse_card(uri, card_bytes), weights_bytes)
    return bundle, hashlib.sha256(card_bytes + weights_bytes).hexdigest()


def _read(uri: str, name: str) -> bytes:
    path = storage.join(uri, name)
    if not storage.exists(path):
        raise BundleError(
            f"{uri} is no model bundle: it has no {name}. Give the directory that train.py wrote, "
            "OUT/models/NAME."
        )
    return storage.read_required(path, "the bundle's file")


def _parse_card(uri: str, data: bytes) -> dict[str, Any]:
    try:
        card = json.loads(data)
        found = int(card["format_version"])
        versions = dict(card.get("versions", {}))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise BundleError(f"The bundle {uri} is damaged: its {CARD_FILE} can't be read ({error}).") from error
    if found > FORMAT_VERSION:
        made_by = versions.get("flipbatch", "a newer version")
        raise BundleError(
            f"The bundle {uri} has format {found}, made by flipbatch {made_by}; this is flipbatch "
            f"{__version__}, which reads up to format {FORMAT_VERSION}: upgrade it."
        )
    return card


def _input_size(told: dict[str, Any]) -> InputSize:
    size = InputSize(int(told["height"]), int(told["width"]))
    if max(size.height, size.width) > LARGEST_INPUT:
        msg = f"an input of {size.height} x {size.width} pixels is no model's"
        raise ValueError(msg)
    return size


_CHECKSUM = "weights_sha256"
_OWN_KEYS = {_CHECKSUM, *Bundle("", "", InputSize(1, 1), Calibration(1.0, 0.5), {}).card()} - {"versions"}


def _assemble(uri: str, card: dict[str, Any], weights: bytes) -> Bundle:
    try:
        bundle = Bundle(
            name=str(card["name"]),
            architecture=str(card["architecture"]),
            input_size=_input_size(card["input"]),
            calibration=Calibration(float(card["temperature"]), float(card["threshold"])),
            weights=safetensors.numpy.load(weights),
            record={key: value for key, value in card.items() if key not in _OWN_KEYS},
        )
        prepared, checksum = card["preprocessing"], card[_CHECKSUM]
    except (KeyError, TypeError, ValueError, OverflowError, safetensors.SafetensorError) as error:
        raise BundleError(f"The bundle {uri} is damaged: {type(error).__name__} {error}.") from error
    if checksum != hashlib.sha256(weights).hexdigest():
        raise BundleError(f"The bundle {uri} is damaged: its {WEIGHTS_FILE} is not the one of its card.")
    architecture(bundle.architecture)  # known here, or an error now and not in a worker
    if prepared != preprocessing():
        raise BundleError(f"The bundle {uri} was trained on frames that this version prepares differently.")
    return bundle
