"""A stored picture is scaled, turned upright and centred in a model's input.

The aspect is kept; bars of mean grey fill the rest. Knows sizes, Exif orientations and pixels. Does not know
formats or decoders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image

PAD_COLOUR = (124, 116, 104)
"""RGB of the bars around a fitted picture and behind transparent pixels: the mean of ImageNet."""

UPRIGHT = 1
"""The Exif orientation of a picture that is stored upright."""

ORIENTATION_TAG = 0x0112
"""The tag of the orientation in Exif and TIFF. Source: Exif 3.0, CIPA DC-008-2023, section 4.6.4."""

# JPEG decoders have fast transforms for these eighths; 3/8 costs more than 4/8, and 5/8 to 7/8 more than 8/8.
_EIGHTHS = (1, 2, 4, 8)

# Each function returns a view of the stored pixels: the upright picture.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
_SIDEWAYS = {5, 6, 7, 8}


@dataclass(frozen=True)
class InputSize:
    """Height and width of a model's input, in pixels, both at least 1."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            msg = f"an input of {self.height} x {self.width} pixels has no pixels"
            raise ValueError(msg)


@dataclass(frozen=True)
class Plan:
    """How a stored picture gets into the input.

    Parameters
    ----------
    eighths
        The scale to decode at: 1, 2, 4 or 8.
    extent
        Height and width of the picture at that scale, in pixels, as stored.
    scaled
        The same, rounded up to whole pixels.
    fitted
        Height and width of the picture in the input, as stored.
    orientation
        Exif orientation, 1 to 8.
    """

    eighths: int
    extent: tuple[float, float]
    scaled: InputSize
    fitted: InputSize
    orientation: int

    def fills(self, size: InputSize) -> bool:
        """Return whether the decoded pixels are the input as they are."""
        return self.scaled == self.fitted == size and self.orientation == UPRIGHT


@lru_cache(maxsize=256)  # frames of one directory mostly have one size
def plan_fit(height: int, width: int, orientation: int, size: InputSize) -> Plan:
    """Return how a picture of height x width stored pixels gets into an input of `size`."""
    stored = InputSize(size.width, size.height) if orientation in _SIDEWAYS else size
    fitted = _fit(height, width, stored)
    eighths = _cheapest_scale(height, width, fitted)
    extent = height * eighths / 8, width * eighths / 8
    scaled = InputSize(_scaled(height, eighths), _scaled(width, eighths))
    return Plan(eighths, extent, scaled, fitted, orientation)


def _fit(height: int, width: int, size: InputSize) -> InputSize:
    """Return the largest size with the aspect of height x width that fits inside `size`."""
    if height * size.width >= width * size.height:
        return InputSize(size.height, max(1, round(width * size.height / height)))
    return InputSize(max(1, round(height * size.width / width)), size.width)


def _cheapest_scale(height: int, width: int, fitted: InputSize) -> int:
    """Return the smallest scale that still covers `fitted`."""
    for eighths in _EIGHTHS:
        if _scaled(height, eighths) >= fitted.height and _scaled(width, eighths) >= fitted.width:
            return eighths
    return 8


def _scaled(length: int, eighths: int) -> int:
    """Return the length after decoding, rounded up."""
    return -(-length * eighths // 8)


def known_orientation(value: object) -> int:
    """Return an Exif orientation, 1 to 8; `UPRIGHT` for any other value."""
    return value if isinstance(value, int) and value in _TURNS else UPRIGHT


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return stored pixels (height, width, 3) of an Exif orientation, 1 to 8, as a view that is upright."""
    return _TURNS[orientation](pixels)


def place(canvas: np.ndarray, pixels: np.ndarray, plan: Plan) -> None:
    """Resize to the fitted size, turn upright, and centre between bars of `PAD_COLOUR`.

    Parameters
    ----------
    canvas
        Filled in place: uint8 (height, width, 3) of the input.
    pixels
        uint8 (height, width, 3) of `plan.scaled`.
    plan
    """
    picture = upright(_resize(pixels, plan), plan.orientation)
    height, width = picture.shape[:2]
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    if picture.shape != canvas.shape:
        canvas[:] = PAD_COLOUR
    canvas[top : top + height, left : left + width] = picture


def _resize(pixels: np.ndarray, plan: Plan) -> np.ndarray:
    """Resize by the antialiased bicubic filter: of Pillow's filters the nearest to an area average."""
    if plan.scaled == plan.fitted:
        return pixels
    height, width = plan.extent
    size = (plan.fitted.width, plan.fitted.height)
    return np.asarray(
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=(0, 0, width, height))
    )


def fit_pixels(pixels: np.ndarray, size: InputSize) -> np.ndarray:
    """Return a picture that was never stored as a file, fitted as stored ones are.

    Parameters
    ----------
    pixels
        uint8 RGB (height, width, 3), upright.
    size

    Returns
    -------
    uint8 RGB (size.height, size.width, 3): aspect kept, centred between bars of `PAD_COLOUR`.
    """
    height, width = pixels.shape[:2]
    plan = plan_fit(height, width, UPRIGHT, size)
    whole = replace(plan, eighths=8, extent=(height, width), scaled=InputSize(height, width))
    canvas = np.empty((size.height, size.width, 3), np.uint8)
    place(canvas, pixels, whole)
    return canvas


def fit_labels(labels: np.ndarray, size: InputSize, bars: int) -> np.ndarray:
    """Return a label of each pixel, uint8 (height, width), fitted as `fit_pixels` fits its picture.

    Each pixel takes the label of the nearest one, those of the bars take `bars`: uint8
    (size.height, size.width).
    """
    height, width = labels.shape[:2]
    fitted = _fit(height, width, size)
    rows, columns = (
        (np.arange(new) + 0.5) * old // new
        for old, new in zip(labels.shape, (fitted.height, fitted.width), strict=True)
    )
    canvas = np.full((size.height, size.width), bars, np.uint8)
    top, left = (size.height - fitted.height) // 2, (size.width - fitted.width) // 2
    inside = labels[np.ix_(rows.astype(int), columns.astype(int))]
    canvas[top : top + fitted.height, left : left + fitted.width] = inside
    return canvas
