"""Frames as another phone, table and light might have shown them: whole batches at once.

Knows pixels only. A mirrored page turn is a page turn, and so is a tilted or a dimmed one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

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


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Vary each frame of a batch on its own.

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
    return _relight(_move(pixels.float(), generator), generator)


def _uniform(shape: tuple[int, ...], reach: float, generator: torch.Generator, like: Tensor) -> Tensor:
    return ((torch.rand(shape, generator=generator) * 2 - 1) * reach).to(like.device)


def _move(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, zoom, tilt and shift; what comes in from outside repeats the edge."""
    count, _, height, width = pixels.shape
    zoom = 1 + _uniform((count,), ZOOM, generator, pixels)
    tilt = _uniform((count,), TILT, generator, pixels)
    mirror = 1 - 2 * torch.randint(2, (count,), generator=generator).to(pixels.device)
    shift = _uniform((count, 2), SHIFT, generator, pixels)
    # Both axes count from -1 to 1: the aspect keeps a rotation from shearing.
    aspect = height / width
    cosine, sine = tilt.cos() * zoom, tilt.sin() * zoom
    across = torch.stack([cosine * mirror, -sine * aspect, shift[:, 0]])
    down = torch.stack([sine / aspect * mirror, cosine, shift[:, 1]])
    grid = torch.empty((count, height, width, 2), device=pixels.device)
    _positions(across, grid[..., 0])
    _positions(down, grid[..., 1])
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _positions(row: Tensor, positions: Tensor) -> None:
    """Say along one axis where each pixel comes from, (N, height, width), given a row of matrices, (3, N).

    As `affine_grid` does, but its matrix product takes longer than all else that varies a frame.
    """
    by_column, by_row, shift = row[:, :, None]
    down, across = ((torch.arange(n, device=row.device) * 2 + 1) / n - 1 for n in positions.shape[1:])
    torch.add((by_column * across)[:, None, :], (by_row * down + shift)[:, :, None], out=positions)


def _relight(pixels: Tensor, generator: torch.Generator) -> Tensor:
    count = len(pixels)
    contrast = 1 + _uniform((count, 1, 1, 1), GAIN, generator, pixels)
    brightness = 1 + _uniform((count, 1, 1, 1), GAIN, generator, pixels)
    tint = 1 + _uniform((count, 3, 1, 1), TINT, generator, pixels)
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    # ((pixels - mean) * contrast + mean * brightness) * tint, in place: each pass over all pixels counts.
    return pixels.mul_(contrast * tint).add_(mean * (brightness - contrast) * tint).clamp_(0, 255)
