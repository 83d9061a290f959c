"""The layers that normalise pixel values.

Knows two layers, of which a network has one. Does not know networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flipbatch.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, SMALLEST_DEVIATION


class Normalise(nn.Module):
    """Shift and scale pixels (N, 3, H, W), 0 to 255, to zero mean and unit variance a channel, in float32."""

    def __init__(self) -> None:
        super().__init__()
        # Constants of the code, not weights: they are not in a bundle.
        self.register_buffer("shift", _channels(IMAGENET_MEAN), persistent=False)
        self.register_buffer("scale", _channels(IMAGENET_STD), persistent=False)
        self.shift: Tensor
        self.scale: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the normalised pixels, same shape, float32."""
        return (pixels.float() - self.shift) / self.scale


class Standardise(nn.Module):
    """Shift and scale each channel of a frame by its own mean and deviation, in float32.

    ImageNet weights see what they expect, zero mean and unit variance, whatever the light of the frame is.
    """

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the standardised pixels of (N, 3, H, W), 0 to 255: same shape, float32."""
        centred = pixels.float()
        centred = centred - centred.mean(dim=(2, 3), keepdim=True)
        variance = centred.square().mean(dim=(2, 3), keepdim=True)
        return centred / (variance + SMALLEST_DEVIATION**2).sqrt()


def _channels(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).mul(255).view(1, 3, 1, 1)
