"""Small bundles in the place of those that come with the package."""

from __future__ import annotations

from pathlib import Path

import torch

from flipbatch.evaluation.calibration import Calibration
from flipbatch.models.architectures import EIGHTH, architecture
from flipbatch.models.bundle import Bundle, as_arrays, half_size, save_bundle
from flipbatch.models.network_options import CnnOptions, MobileNetOptions, NetworkOptions


def untrained(name: str, options: NetworkOptions) -> Bundle:
    """Return an untrained bundle, the same weights each time."""
    torch.manual_seed(5)
    weights = as_arrays(architecture(name).build(options).state_dict())
    return Bundle(name, name, EIGHTH, Calibration(), weights, network_options=options)


SMALL = untrained("cnn_model", CnnOptions(channels=(4, 8)))
SHALLOW = untrained("mobilenet_v2", MobileNetOptions(taps=(1, 2), standardise_pixels=True))


def ship(folder: Path, *bundles: Bundle) -> None:
    """Write bundles as the package has them."""
    for bundle in bundles:
        save_bundle(half_size(bundle), str(folder / bundle.name))
