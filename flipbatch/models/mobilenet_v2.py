"""MobileNetV2 with taps and one logit, from scratch or from ImageNet weights.

Knows the sources of weights and the layers that they fill. Does not know training or bundles. Torchvision is
imported only to build a network: its import takes seconds.
"""

from __future__ import annotations

import io
import pickle
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from flipbatch import storage
from flipbatch.errors import StorageError, WeightsError
from flipbatch.models.class_maps import cell_layers, pooled_maps
from flipbatch.models.network import Network, Seen, head_of
from flipbatch.models.network_options import LAST_BLOCK, MobileNetOptions
from flipbatch.models.normalise import Normalise, Standardise
from flipbatch.models.preprocessing import Window, mobilenet_window

_DOWNLOAD_TIMEOUT_SECONDS = 30

CELL_CHANNELS = 64
"""Channels of the layers before the class maps."""

_BLOCK = re.compile(r"features\.(?P<block>\d+)\.")


_POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda features: features.mean(dim=(2, 3)),
    "max": lambda features: features.amax(dim=(2, 3)),
}


class MobileNetV2(Network):
    """Torchvision's MobileNetV2 up to the last tap, with a head of one logit over the pooled taps.

    The middle blocks see edges, curvature and blur, which books have in common; the last ones see objects.
    Class maps, an option, are made of all taps at the size of the last.

    Parameters
    ----------
    options : MobileNetOptions, optional
        Its taps, how they are pooled, how pixels are normalised, and whether it has class maps.
    """

    def __init__(self, options: MobileNetOptions | None = None) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        self.options = options or MobileNetOptions()
        self.normalise = Standardise() if self.options.standardise_pixels else Normalise()
        # What is behind the last tap is dropped here: it is neither stored nor run.
        self.features = mobilenet_v2(weights=None).features[: self.options.taps[-1] + 1]
        channels = sum(cast(int, self.features[tap].out_channels) for tap in self.options.taps)
        self.maps = cell_layers(channels, CELL_CHANNELS) if self.options.maps else None
        self.head = head_of(len(self.options.poolings) * channels, self.options.maps)

    def map_window(self, height: int, width: int) -> Window:
        """Return the rectangle of an input that the network takes."""
        return mobilenet_window(height, width)

    @property
    def used_blocks(self) -> tuple[int, ...]:
        """The taps."""
        return self.options.taps

    def look(self, pixels: Tensor) -> Seen:
        """Return the features, poolings of all taps' channels and those of the class maps, and the maps."""
        taps = self._taps(pixels)
        pooled = [_POOLINGS[pooling](tap) for tap in taps for pooling in self.options.poolings]
        if self.maps is None:
            return Seen(torch.cat(pooled, dim=1), None)
        level = self._same_size(taps)
        maps = self.maps(level)
        return Seen(torch.cat([*pooled, pooled_maps(maps)], dim=1), maps, (taps[0], level))

    def _taps(self, pixels: Tensor) -> list[Tensor]:
        top, left, bottom, right = mobilenet_window(*pixels.shape[2:])
        features, taps = self.normalise(pixels[:, :, top:bottom, left:right]), []
        for block, layer in enumerate(self.features):
            features = layer(features)
            if block in self.options.taps:
                taps.append(features)
        return taps

    def _same_size(self, taps: list[Tensor]) -> Tensor:
        """Return all taps' channels at the size of the last tap; rows and columns left over are averaged."""
        sides = map(self.options.shrinkage, self.options.taps)
        averaged = [
            tap if side == 1 else functional.avg_pool2d(tap, side, ceil_mode=True)
            for tap, side in zip(taps, sides, strict=True)
        ]
        return torch.cat(averaged, dim=1)

    def load_features(self, weights: Mapping[str, Tensor]) -> None:
        """Load all layers except the head, and freeze the BatchNorm statistics.

        Parameters
        ----------
        weights : mapping of str to Tensor
            A state dict with torchvision's names; the classifier and blocks behind the last tap are ignored.

        Raises
        ------
        WeightsError
            If a layer is missing, unknown or of another shape.
        """
        last = self.options.taps[-1]
        features = {name: value for name, value in weights.items() if _block_of(name) <= last}
        try:
            self.features.load_state_dict({name.removeprefix("features."): v for name, v in features.items()})
        except RuntimeError as error:
            why = " ".join(str(error).split())[:200]
            raise WeightsError(f"The weights do not fit torchvision's MobileNetV2: {why}.") from error
        self.statistics_frozen = True


def _block_of(name: str) -> int:
    """Return the number of the block that a weight belongs to; of the classifier, one behind the last."""
    match = _BLOCK.match(name)
    return int(match["block"]) if match else LAST_BLOCK + 1


def read_weights(source: str) -> dict[str, Tensor]:
    """Read MobileNetV2 weights.

    Parameters
    ----------
    source : str
        ``imagenet`` downloads torchvision's weights; anything else is the URI of a ``.safetensors`` file, or
        of a file that `torch.load` reads without executing code.

    Raises
    ------
    WeightsError
        If they can't be read; its message names the three alternatives.
    """
    try:
        return _download() if source == "imagenet" else _read_file(storage.normalise(source))
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"The weights {source!r} can't be read ({why}). Use --weights imagenet where torchvision's "
            "downloads can be reached, --weights URI with a .safetensors or .pth file, or --weights none to "
            "train from scratch."
        ) from error


def _download() -> dict[str, Tensor]:
    from torchvision.models import MobileNet_V2_Weights

    with _socket_timeout(_DOWNLOAD_TIMEOUT_SECONDS):
        return dict(MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Limit a download that has no time-out of its own: it could wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read_file(uri: str) -> dict[str, Tensor]:
    data = storage.read_required(uri, "the weights")
    if uri.endswith(".safetensors"):
        return safetensors.torch.load(data)
    try:
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own message says how to execute the code
        raise StorageError(f"{uri} is damaged, or has code besides weights, which is not executed") from error
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise StorageError(f"{uri} has no state dict")
    return dict(weights)
