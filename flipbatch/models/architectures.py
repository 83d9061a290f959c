"""The networks that can be trained and scored, by name.

Knows which there are, what each takes and where it is defined; knows nothing of how they are trained, and
imports no torch until one is built.
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
"""1080×1920 at one eighth: the cheapest scale that JPEG offers, portrait, and nothing is resized. One size
for all networks: one decode serves them all."""


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Attributes
    ----------
    module : str
        Where the class is defined.
    network : str
        The class: an nn.Module that takes pixels and gives logits, as `CnnModel.forward`.
    pretrained : bool
        Whether it can start from ImageNet weights.
    input_size : InputSize
        What frames are decoded to for it.
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
