"""Our own network: small enough that decoding a frame costs many times what the network costs.

Knows its layers and its input's shape; knows nothing of training, bundles or files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from flipbatch.frames.decode import InputSize
from flipbatch.models.normalise import Normalise

INPUT_SIZE = InputSize(height=240, width=135)
"""1080×1920 at one eighth: the cheapest scale that JPEG offers, portrait, and nothing is resized."""

_CHANNELS = (24, 32, 64, 96)


class CnnModel(nn.Module):
    """A patchwise stem and three strided convolutions, pooled by mean and by maximum.

    The maximum keeps a small moving page from drowning in a large still table; the mean keeps the light.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        stem = _block(3, _CHANNELS[0], kernel=4, stride=4, padding=0)
        self.features = nn.Sequential(
            stem, *(_block(a, b, kernel=3, stride=2, padding=1) for a, b in pairwise(_CHANNELS))
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * _CHANNELS[-1], 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one logit a frame.

        Parameters
        ----------
        pixels : Tensor
            (N, 3, H, W), RGB, 0 to 255, uint8 or float; H and W as in `INPUT_SIZE`.

        Returns
        -------
        Tensor
            (N,), float; above 0 where a flip is likelier than not.
        """
        features = self.features(self.normalise(pixels))
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        return self.head(pooled).squeeze(1)


def _block(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
