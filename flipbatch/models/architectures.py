"""The networks that can be trained and scored, by name.

Knows their names, input sizes, options and modules. Does not know how they are trained, and imports torch
only to build one.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from flipbatch.errors import BundleError
from flipbatch.frames.decode import InputSize
from flipbatch.models.network_options import LAST_BLOCK, CnnOptions, MobileNetOptions, NetworkOptions

if TYPE_CHECKING:
    from flipbatch.models.network import Network

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
        The name of the class, a `network.Network` that takes these options.
    pretrained : bool
        Whether it can start from ImageNet weights.
    options : type of NetworkOptions
        What may differ between two of its networks, with the defaults of new ones.
    former : NetworkOptions
        Those of bundles whose model card has none.
    input_size : InputSize
        The size that frames are decoded to.
    """

    module: str
    network: str
    pretrained: bool
    options: type[NetworkOptions]
    former: NetworkOptions
    input_size: InputSize = EIGHTH

    def build(self, options: NetworkOptions | None = None) -> Network:
        """Return the network with random weights; without options, with the defaults."""
        return getattr(import_module(self.module), self.network)(options)


ARCHITECTURES = {
    "cnn_model": Architecture(
        "flipbatch.models.cnn_model",
        "CnnModel",
        pretrained=False,
        options=CnnOptions,
        former=CnnOptions(channels=(8, 16, 32, 64, 64)),
    ),
    "mobilenet_v2": Architecture(
        "flipbatch.models.mobilenet_v2",
        "MobileNetV2",
        pretrained=True,
        options=MobileNetOptions,
        former=MobileNetOptions(taps=(LAST_BLOCK,), poolings=("mean",)),
    ),
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
