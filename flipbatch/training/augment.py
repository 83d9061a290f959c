"""Frames as another phone, table and light might have shown them: whole batches at once.

Knows pixels only. A mirrored page turn is a page turn, and so is a tilted or a dimmed one.
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
    """Mirror, zoom, tilt and shift each frame of a batch on its own; what comes in repeats the edge.

    On the CPU, in bytes, where torch's sampling takes twice as long (docs/performance.md).

    Parameters
    ----------
    frames : Tensor
        (N, height, width, 3), uint8, on the CPU.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor
        Of the same shape and type.
    """
    moved = torch.empty_like(frames)
    height, width = frames.shape[1:3]
    matrices = _matrices(len(frames), height, width, generator)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for frame, matrix, out in zip(frames.numpy(), matrices, moved.numpy(), strict=True):
        cv2.warpAffine(frame, matrix, (width, height), out, flags, cv2.BORDER_REPLICATE)
    return moved


def _matrices(count: int, height: int, width: int, generator: torch.Generator) -> npt.NDArray[np.float64]:
    """Say where each pixel comes from, as matrices (N, 2, 3) for (column, row, 1)."""
    zoom = 1 + _uniform((count,), ZOOM, generator)
    tilt = _uniform((count,), TILT, generator)
    mirror = 1 - 2 * torch.randint(2, (count,), generator=generator)
    middle = torch.tensor([width - 1, height - 1]) / 2
    moved_to = middle + _uniform((count, 2), SHIFT, generator) * torch.tensor([width, height]) / 2
    cosine, sine = tilt.cos() * zoom, tilt.sin() * zoom
    turn = torch.stack([cosine * mirror, -sine, sine * mirror, cosine], dim=1).view(count, 2, 2)
    return torch.cat([turn, (moved_to - turn @ middle)[:, :, None]], dim=2).double().numpy()


def color_jitter(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Vary contrast, brightness and tint of each frame of a batch on its own.

    Parameters
    ----------
    pixels : Tensor
        (N, 3, H, W), uint8 or float, 0 to 255.
    generator : torch.Generator
        On the CPU: the same draws on every device.

    Returns
    -------
    Tensor
        (N, 3, H, W), float32, 0 to 255.
    """
    count, device = len(pixels), pixels.device
    contrast = 1 + _uniform((count, 1, 1, 1), GAIN, generator).to(device)
    brightness = 1 + _uniform((count, 1, 1, 1), GAIN, generator).to(device)
    tint = 1 + _uniform((count, 3, 1, 1), TINT, generator).to(device)
    # A plane a colour: to meet a factor a colour, vectors of neighbours must be of one.
    planes = pixels.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    mean = planes.mean(dim=(1, 2, 3), keepdim=True)
    # ((pixels - mean) * contrast + mean * brightness) * tint, in place: each pass over all pixels counts.
    return planes.mul_(contrast * tint).add_(mean * (brightness - contrast) * tint).clamp_(0, 255)


def _uniform(shape: tuple[int, ...], reach: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * reach
