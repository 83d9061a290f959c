"""One picture that has all textures of a scene, so that a frame needs one lookup.

Knows rectangles and pixels. Does not know what they show.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Tile:
    """A rectangle of the atlas: left, top, width and height as shares of its size."""

    left: float
    top: float
    width: float
    height: float

    def positions(self, unit: np.ndarray) -> np.ndarray:
        """Return positions (N, 2) in the atlas of positions in the tile, 0 to 1."""
        size, corner = np.array([self.width, self.height]), np.array([self.left, self.top])
        return (corner + np.clip(unit, 0, 1) * size).astype(np.float32)


class Atlas:
    """Textures side by side in columns.

    Parameters
    ----------
    tile_height
        Height of every tile in pixels: pictures are resized to it.
    """

    def __init__(self, tile_height: int) -> None:
        self._height = tile_height
        self._strips: list[np.ndarray] = []
        self._starts: list[int] = []
        self._width = 0

    def add(self, picture: np.ndarray) -> int:
        """Add a texture, uint8 RGB of shape (height, width, 3); return its number."""
        height, width = picture.shape[:2]
        size = (max(2, round(width * self._height / height)), self._height)
        shrinks = size[0] * size[1] < width * height
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        self._strips.append(picture)
        self._starts.append(self._width)
        self._width += size[0]
        return len(self._strips) - 1

    def add_color(self, color: tuple[float, float, float]) -> int:
        """Add a plain colour, 0 to 255; return its number."""
        return self.add(np.full((self._height, 4, 3), np.clip(color, 0, 255), np.uint8))

    def tile(self, number: int) -> Tile:
        """Return the place of a texture; half a pixel at its border is left out. All must have been added."""
        left, width = self._starts[number], self._strips[number].shape[1]
        return Tile(
            (left + 0.5) / self._width, 0.5 / self._height, (width - 1) / self._width, 1 - 1 / self._height
        )

    def picture(self) -> np.ndarray:
        """Return the atlas, uint8 RGB."""
        return np.ascontiguousarray(np.concatenate(self._strips, axis=1))
