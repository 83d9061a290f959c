"""Our own network, so small that decoding a frame costs many times more than running it.

Knows its layers and the shape of its input. Does not know training, bundles or files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from flipbatch.models.normalise import Normalise

PATCH = 3
"""Side of the first layer's patches, in pixels. It divides the input's width, 135, and its height, 240, so
that adjacent patches are a matrix product over the pixels in their order in memory."""

_CHANNELS = (8, 16, 32, 64, 64)


class CnnModel(nn.Module):
    """Patches, then strided convolutions, pooled by mean and by maximum.

    Max pooling keeps the signal of a small moving page on a large table; mean pooling keeps the overall
    brightness.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        patches = _block(3, _CHANNELS[0], kernel=PATCH, stride=PATCH, padding=0)
        self.features = nn.Sequential(
            patches, *(_block(a, b, kernel=3, stride=2, padding=1) for a, b in pairwise(_CHANNELS))
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * _CHANNELS[-1], 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one logit per frame.

        Parameters
        ----------
        pixels : Tensor
            (N, 3, H, W), RGB, 0 to 255, uint8 or float.

        Returns
        -------
        Tensor
            (N,), float; above 0 if a flip is likelier than not.
        """
        return self.head(self.embed(pixels)).squeeze(1)

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the features that the head takes: (N, 128), float32."""
        features = self.features(self.normalise(pixels))
        return torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)


def _block(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
