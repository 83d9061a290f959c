"""Augmentation of whole batches: a random affine transform and a random change of colour.

Mirroring, rotation, zoom, shift and changes of colour preserve the label. Knows pixels only.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

ZOOM = 0.15
"""Largest change of scale, as a share."""
SHIFT = 0.08
"""Largest shift, as a share of half the width or height."""
TILT = math.radians(8)
"""Largest rotation, in radians."""
GAIN = 0.25
"""Largest change of brightness, and of contrast, as a share."""
TINT = 0.08
"""Largest change of one colour against the others, as a share."""


def random_affine(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, zoom, tilt and shift each frame of a batch independently; the border repeats the edge.

    This runs on the CPU on uint8 pixels: torch's sampling takes twice as long (docs/performance.md).

    Parameters
    ----------
    frames : Tensor
        (N, height, width, 3), uint8, on the CPU.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor
        The same shape and dtype.
    """
    matrices = _matrices(len(frames), frames.shape[1], frames.shape[2], generator)
    return _warped(frames, matrices, cv2.INTER_LINEAR)


def random_affine_with_labels(
    frames: Tensor, labels: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Transform frames as `random_affine` does, and a label of each pixel with them.

    Parameters
    ----------
    frames : Tensor
        (N, height, width, 3), uint8, on the CPU.
    labels : Tensor
        (N, height, width), uint8, on the CPU. Each pixel takes the label nearest to its source.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    tuple of (Tensor, Tensor)
        The same shapes and dtypes.
    """
    matrices = _matrices(len(frames), frames.shape[1], frames.shape[2], generator)
    return _warped(frames, matrices, cv2.INTER_LINEAR), _warped(labels, matrices, cv2.INTER_NEAREST)


def _warped(frames: Tensor, matrices: npt.NDArray[np.float64], interpolation: int) -> Tensor:
    """Return each frame seen through its matrix."""
    transformed = torch.empty_like(frames)
    height, width = frames.shape[1:3]
    flags = interpolation | cv2.WARP_INVERSE_MAP
    for frame, matrix, out in zip(frames.numpy(), matrices, transformed.numpy(), strict=True):
        cv2.warpAffine(frame, matrix, (width, height), out, flags, cv2.BORDER_REPLICATE)
    return transformed


def _matrices(count: int, height: int, width: int, generator: torch.Generator) -> npt.NDArray[np.float64]:
    """Return matrices (N, 2, 3) that map (column, row, 1) of an output pixel to its source."""
    zoom = 1 + _uniform((count,), ZOOM, generator)
    tilt = _uniform((count,), TILT, generator)
    mirror = 1 - 2 * torch.randint(2, (count,), generator=generator)
    middle = torch.tensor([width - 1, height - 1]) / 2
    target = middle + _uniform((count, 2), SHIFT, generator) * torch.tensor([width, height]) / 2
    cosine, sine = tilt.cos() * zoom, tilt.sin() * zoom
    turn = torch.stack([cosine * mirror, -sine, sine * mirror, cosine], dim=1).view(count, 2, 2)
    return torch.cat([turn, (target - turn @ middle)[:, :, None]], dim=2).double().numpy()


def color_jitter(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast, brightness and tint of each frame of a batch independently.

    Parameters
    ----------
    pixels : Tensor
        (N, 3, H, W), uint8 or float, 0 to 255.
    generator : torch.Generator
        On the CPU, so that all devices get the same draws.

    Returns
    -------
    Tensor
        (N, 3, H, W), float32, 0 to 255.
    """
    count, device = len(pixels), pixels.device
    contrast = 1 + _uniform((count, 1, 1, 1), GAIN, generator).to(device)
    brightness = 1 + _uniform((count, 1, 1, 1), GAIN, generator).to(device)
    tint = 1 + _uniform((count, 3, 1, 1), TINT, generator).to(device)
    # One plane per colour, so that neighbouring values have the same factor.
    planes = pixels.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    mean = planes.mean(dim=(1, 2, 3), keepdim=True)
    # ((pixels - mean) * contrast + mean * brightness) * tint, in place, to pass over all pixels fewer times.
    return planes.mul_(contrast * tint).add_(mean * (brightness - contrast) * tint).clamp_(0, 255)


def _uniform(shape: tuple[int, ...], reach: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * reach
