"""The networks that can be trained and scored, by name.

Knows their names, input sizes and modules. Does not know how they are trained, and imports torch only to
build one.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from flipbatch.errors import BundleError
from flipbatch.frames.decode import InputSize

if TYPE_CHECKING:
    from torch import nn

EIGHTH = InputSize(height=240, width=135)
"""1080×1920, portrait, at one eighth: the cheapest scale that JPEG offers, and nothing is resized. All
networks take this one size, so that one decode serves them all."""


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Attributes
    ----------
    module : str
        The module that defines the class.
    network : str
        The name of the class: an nn.Module that takes pixels and returns logits, as `CnnModel.forward`.
    pretrained : bool
        Whether it can start from ImageNet weights.
    input_size : InputSize
        The size that frames are decoded to.
    """

    module: str
    network: str
    pretrained: bool
    input_size: InputSize = EIGHTH

    def build(self) -> nn.Module:
        """Return the network with random weights."""
        return getattr(import_module(self.module), self.network)()


ARCHITECTURES = {
    "cnn_model": Architecture("flipbatch.models.cnn_model", "CnnModel", pretrained=False),
    "mobilenet_v2": Architecture("flipbatch.models.mobilenet_v2", "MobileNetV2", pretrained=True),
}


def architecture(name: str) -> Architecture:
    """Return the architecture of a name.

    Raises
    ------
    BundleError
        If this version has none of that name.
    """
    try:
        return ARCHITECTURES[name]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise BundleError(f"There is no architecture {name!r}: this version has {known}.") from None
