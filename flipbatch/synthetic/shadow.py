"""Light that reaches each pixel: shadows of everything in the scene, and patterns before the light.

The scene is drawn from the light; a pixel is in the shadow if something is nearer to the light. Knows meshes
and views. Does not know textures and colours.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from flipbatch.synthetic.mesh import Mesh
from flipbatch.synthetic.scene import Light, Pattern
from flipbatch.synthetic.view import Seen, View

DISTANCE = 500.0
"""Distance in cm of the light from the book."""
RADIUS = 38.0
"""Radius in cm around the book in which shadows are drawn."""
BIAS = 0.7
"""Depth in cm below a surface at which its own shadow starts."""
PATTERN_SIZE = 128


class Shadows:
    """The light of one scene, seen by one camera.

    Parameters
    ----------
    light
    view
        The camera.
    size
        Width and height of the shadow map in pixels.
    """

    def __init__(self, light: Light, view: View, size: int) -> None:
        position = np.array(light.direction) * DISTANCE
        focal = size / 2 / (RADIUS / DISTANCE)
        self._light = light
        self._lamp = View(tuple(position), (0.0, 0.0, 0.0), light.pattern_turn, focal, size, size)
        origin = self._lamp.axes @ (view.position - self._lamp.position)
        rays = np.ascontiguousarray(np.moveaxis(view.rays() @ self._lamp.axes.T.astype(np.float32), -1, 0))
        self._rays, self._origin = list(rays), origin.astype(np.float32)
        self._blur = light.softness * max(view.width, view.height)

    def cast(self, mesh: Mesh) -> np.ndarray:
        """Return the shadow map of a mesh: the distance of the nearest surface from the lamp."""
        return self._lamp.distances(mesh)

    def light(self, nearest: np.ndarray, seen: Seen) -> np.ndarray:
        """Return the share of the lamp's light that reaches each pixel, (height, width), float32, 0 to 1."""
        x, y, depth = (cv2.multiply(ray, seen.distance) for ray in self._rays)
        x += self._origin[0]
        y += self._origin[1]
        depth += self._origin[2]
        column, row = (cv2.divide(axis, depth, scale=self._lamp.focal) for axis in (x, y))
        column += self._lamp.width / 2
        row += self._lamp.height / 2
        blocker = cv2.remap(
            nearest, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1e6
        )
        lit = np.clip(cv2.addWeighted(blocker, 1 / BIAS, depth, -1 / BIAS, 2.0), 0.0, 1.0)
        if self._blur > 0.3:
            lit = cv2.GaussianBlur(lit, (0, 0), self._blur)
        if self._light.pattern != "none":
            lit *= self._pattern(column, row)
        return lit

    def _pattern(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the light that passes the pattern at positions on the shadow map."""
        light = self._light
        centimetres = 2 * RADIUS / self._lamp.width
        picture = _pattern_picture(light.pattern, light.seed)
        scale = np.float32(centimetres / light.pattern_scale * PATTERN_SIZE / 8)
        offset = np.float32(PATTERN_SIZE / 2 - self._lamp.width / 2 * scale)
        mode = cv2.BORDER_REPLICATE if light.pattern == "edge" else cv2.BORDER_REFLECT
        # Reflections are counted one by one: far pixels would take long.
        x, y = (np.clip(axis * scale + offset, -2 * PATTERN_SIZE, 3 * PATTERN_SIZE) for axis in (column, row))
        share = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=mode)
        return 1 - light.pattern_strength * (1 - share)


@lru_cache(maxsize=8)
def _pattern_picture(pattern: Pattern, seed: int) -> np.ndarray:
    """Return what stands before the light: float32, 1 where all light passes. An eighth is `pattern_scale`
    wide.
    """
    rng = np.random.default_rng(seed)
    x = np.broadcast_to(np.linspace(-4, 4, PATTERN_SIZE), (PATTERN_SIZE, PATTERN_SIZE))
    sharp = rng.uniform(3, 30)
    if pattern == "edge":
        field = np.tanh(sharp * (x - rng.uniform(-1, 1)))
    elif pattern == "stripes":
        field = np.tanh(sharp / 3 * (np.sin(2 * np.pi * x * rng.uniform(0.4, 1)) + rng.uniform(-0.6, 0.6)))
    else:
        coarse = cv2.resize(
            rng.normal(0, 1, (12, 12)), (PATTERN_SIZE, PATTERN_SIZE), interpolation=cv2.INTER_CUBIC
        )
        fine = cv2.resize(
            rng.normal(0, 1, (30, 30)), (PATTERN_SIZE, PATTERN_SIZE), interpolation=cv2.INTER_CUBIC
        )
        field = np.tanh(sharp / 6 * (coarse + 0.5 * fine + rng.uniform(-0.5, 0.5)))
    return (0.5 + 0.5 * field).astype(np.float32)
