"""Our own network, so small that decoding a frame costs many times more than running it.

Knows its layers and the shape of its input. Does not know training, bundles or files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from flipbatch.models.class_maps import cell_layers, pooled_maps
from flipbatch.models.network import Network, Seen, head_of
from flipbatch.models.network_options import CnnOptions
from flipbatch.models.normalise import Normalise

PATCH = 3
"""Side of the first layer's patches, in pixels. It divides the input's width, 135, and its height, 240, so
that adjacent patches are a matrix product over the pixels in their order in memory."""

CELL_CHANNELS = 32
"""Channels of the layers before the class maps."""


class CnnModel(Network):
    """Patches, then convolutions, most of them strided, pooled by mean and by maximum.

    Max pooling keeps the signal of a small moving page on a large table; mean pooling keeps the overall
    brightness. Class maps, an option, are made of a middle block.

    Parameters
    ----------
    options : CnnOptions, optional
        Its width and depth, and whether it has class maps.
    """

    def __init__(self, options: CnnOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or CnnOptions()
        channels = options.channels
        self.normalise = Normalise()
        patches = _block(3, channels[0], kernel=PATCH, stride=PATCH, padding=0)
        self.features = nn.Sequential(
            patches,
            *(
                _block(inputs, outputs, kernel=3, stride=options.stride(block), padding=1)
                for block, (inputs, outputs) in enumerate(pairwise(channels), 1)
            ),
        )
        inputs = channels[options.map_block]
        self.maps = cell_layers(inputs, CELL_CHANNELS) if options.maps else None
        self.head = head_of(2 * channels[-1], options.maps)

    @property
    def used_blocks(self) -> tuple[int, ...]:
        """The two blocks of the levels, if there are class maps, and the last one."""
        last, block = len(self.options.channels) - 1, self.options.map_block
        return tuple(sorted({block - 1, block, last})) if self.options.maps else (last,)

    def look(self, pixels: Tensor) -> Seen:
        """Return the features, twice the last channels and those of the class maps, and the maps."""
        blocks = [self.features[0](self.normalise(pixels))]
        for layer in self.features[1:]:
            blocks.append(layer(blocks[-1]))
        pooled = [blocks[-1].mean(dim=(2, 3)), blocks[-1].amax(dim=(2, 3))]
        if self.maps is None:
            return Seen(torch.cat(pooled, dim=1), None)
        finer, level = blocks[self.options.map_block - 1 : self.options.map_block + 1]
        maps = self.maps(level)
        return Seen(torch.cat([*pooled, pooled_maps(maps)], dim=1), maps, (finer, level))


def _block(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
