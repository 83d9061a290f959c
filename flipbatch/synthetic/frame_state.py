"""What a rendered frame shows, exactly.

Knows names, numbers and ranges. Does not know how frames are rendered, and imports no renderer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class FrameState:
    """What is to be seen in a frame in the middle of its exposure.

    Attributes
    ----------
    angle
        Angle of the first page in the air, in degrees; NaN if there is none.
    lift
        Largest distance of a corner of a page in the air from the resting pages, in page widths; 0 without a
        page in the air.
    visible
        Share of the frame's pixels that show a page in the air, 0 to 1.
    hidden
        Share of the pages in the air that hands hide, 0 to 1.
    blur
        Largest movement of a page or a hand during the exposure, as a share of the frame's longer side.
    paper
        Share of the frame's pixels that show a page, resting or in the air, 0 to 1.
    """

    angle: float
    lift: float
    visible: float
    hidden: float
    blur: float
    paper: float


class Region(IntEnum):
    """What a pixel shows."""

    OTHER = 0
    RESTING = 1
    AIR = 2
    HAND = 3


class Rendered(NamedTuple):
    """A frame and what it shows.

    Attributes
    ----------
    pixels
        uint8 RGB (height, width, 3).
    state
    regions
        uint8 (height, width): `Region` of each pixel in the middle of the exposure.
    """

    pixels: np.ndarray
    state: FrameState
    regions: np.ndarray
