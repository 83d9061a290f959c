"""The networks that can be trained and scored, by name.

Knows which there are and what each takes; knows nothing of how they are trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from flipbatch.errors import BundleError
from flipbatch.frames.decode import InputSize
from flipbatch.models import cnn_model, mobilenet_v2


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Attributes
    ----------
    input_size : InputSize
        What frames are decoded to for it.
    build : callable
        Returns the network with random weights; it takes pixels and gives logits, as `CnnModel.forward`.
    pretrained : bool
        Whether it can start from ImageNet weights.
    """

    input_size: InputSize
    build: Callable[[], nn.Module]
    pretrained: bool


ARCHITECTURES = {
    "cnn_model": Architecture(cnn_model.INPUT_SIZE, cnn_model.CnnModel, pretrained=False),
    "mobilenet_v2": Architecture(mobilenet_v2.INPUT_SIZE, mobilenet_v2.MobileNetV2, pretrained=True),
}


def architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises
    ------
    BundleError
        Where this version has none of that name.
    """
    try:
        return ARCHITECTURES[name]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise BundleError(f"There is no architecture {name!r}: this version has {known}.") from None
