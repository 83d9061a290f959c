"""Our own network, so small that decoding a frame costs many times more than running it.

Knows its layers and the shape of its input. Does not know training, bundles or files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from flipbatch.models.network import Network, linear_head
from flipbatch.models.network_options import CnnOptions
from flipbatch.models.normalise import Normalise

PATCH = 3
"""Side of the first layer's patches, in pixels. It divides the input's width, 135, and its height, 240, so
that adjacent patches are a matrix product over the pixels in their order in memory."""


class CnnModel(Network):
    """Patches, then convolutions, most of them strided, pooled by mean and by maximum.

    Max pooling keeps the signal of a small moving page on a large table; mean pooling keeps the overall
    brightness.

    Parameters
    ----------
    options : CnnOptions, optional
        Its width and depth.
    """

    def __init__(self, options: CnnOptions | None = None) -> None:
        super().__init__()
        options = options or CnnOptions()
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
        self.head = linear_head(2 * channels[-1])

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the features that the head takes: (N, twice the last channels), float32."""
        features = self.features(self.normalise(pixels))
        return torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)


def _block(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
