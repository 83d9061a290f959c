"""Textures of everything but pages: table, cloth, skin, stacked paper, and the far background.

Draws flat pictures. Knows no positions and no light.
"""

import cv2
import numpy as np

from flipbatch.synthetic.scene import Color, Place


def draw_table(place: Place, size: int) -> np.ndarray:
    """Return a table top, uint8 RGB (size, size, 3): plain, grained like wood, or woven."""
    rng = np.random.default_rng([place.seed, 1])
    coarse = max(3, min(size, round(200 / place.grain_size)))
    kind = rng.integers(4)
    shape = {0: (coarse, coarse), 1: (3, coarse * 2), 2: (coarse * 2, 3)}.get(int(kind), (coarse, coarse))
    field = _smooth(rng, shape, size) + 0.5 * _smooth(rng, (shape[0] * 3, shape[1] * 3), size)
    if kind == 3:
        waves = np.arange(size) * (np.pi / max(2.0, size / coarse / 6))
        field = np.sin(waves)[:, None] * np.sin(waves)[None, :] * 1.5 + 0.3 * field
    lit = (1 + place.grain * field)[..., None] * np.array(place.color, np.float32)
    return np.clip(lit, 0, 255).astype(np.uint8)


def draw_backdrop(place: Place, width: int, height: int) -> np.ndarray:
    """Return a far background, uint8 RGB: a sky, a room, plants or shelves, out of focus."""
    rng = np.random.default_rng([place.seed, 2])
    picture = _gradient(rng, place.backdrop, width, height)
    for _ in range(int(rng.integers(0, 14))):
        _add_shape(picture, rng, place.backdrop)
    detail = rng.choice([0.0, 0.1, 0.35])
    if detail:
        leaves = _smooth(rng, (height // 6 + 2, width // 6 + 2), max(width, height))[:height, :width]
        picture *= np.clip(1 + detail * leaves, 0, 2)[..., None]
    blur = rng.uniform(0, 0.02) * max(width, height)
    if blur > 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _gradient(rng: np.random.Generator, level: float, width: int, height: int) -> np.ndarray:
    """Return a smooth change between a few colours around a brightness, float32."""
    shape = (int(rng.integers(2, 4)), int(rng.integers(2, 4)))
    grey = level * rng.uniform(0.4, 1.6, (*shape, 1))
    colors = grey * (1 + rng.normal(0, 0.12, (*shape, 3)))
    return cv2.resize(colors.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _add_shape(picture: np.ndarray, rng: np.random.Generator, level: float) -> None:
    """Add one box, stripe, blob or stalk, in place."""
    height, width = picture.shape[:2]
    color = (level * rng.uniform(0.1, 2.0) * (1 + rng.normal(0, 0.25, 3))).clip(0, 255).tolist()
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    kind = rng.integers(4)
    if kind == 0:
        across, down = rng.uniform(0.05, 0.5) * width, rng.uniform(0.03, 0.4) * height
        box = cv2.boxPoints(((x, y), (across, down), float(rng.normal(0, 12))))
        cv2.fillConvexPoly(picture, box.astype(np.int32), color, cv2.LINE_AA)
    elif kind == 1:
        end = rng.uniform(0, width), rng.uniform(0, height)
        cv2.line(
            picture, _whole((x, y)), _whole(end), color, int(rng.integers(1, 2 + width // 10)), cv2.LINE_AA
        )
    elif kind == 2:
        axes = _whole((rng.uniform(0.02, 0.3) * width, rng.uniform(0.02, 0.3) * width))
        cv2.ellipse(picture, _whole((x, y)), axes, float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA)
    else:
        for _ in range(int(rng.integers(3, 12))):
            end = x + rng.normal(0, 0.1) * width, y + rng.normal(0, 0.1) * height
            cv2.line(picture, _whole((x, y)), _whole(end), color, int(rng.integers(1, 4)), cv2.LINE_AA)


def draw_skin(color: Color, seed: int, size: int) -> np.ndarray:
    """Return skin or cloth, uint8 RGB (size, size, 3): slightly uneven."""
    rng = np.random.default_rng([seed, 3])
    uneven = 0.03 * _smooth(rng, (6, 6), size) + 0.035 * _smooth(rng, (40, 40), size)
    warmth = np.array([0.8, 1.0, 1.1], np.float32)
    return np.clip(np.array(color, np.float32) * (1 + uneven[..., None] * warmth), 0, 255).astype(np.uint8)


def draw_stack(paper: Color, thickness: float, seed: int, size: int) -> np.ndarray:
    """Return the side of a stack of pages, uint8 RGB (size, size // 4, 3): lines of paper."""
    rng = np.random.default_rng([seed, 4])
    lines = max(2, round(thickness * rng.uniform(4, 14)))
    shade = rng.uniform(0.5, 0.8) + rng.uniform(0.04, 0.16) * rng.normal(0, 1, (lines, 2))
    field = cv2.resize(shade.astype(np.float32), (max(2, size // 4), size), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.array(paper) * field[..., None], 0, 255).astype(np.uint8)


def _smooth(rng: np.random.Generator, shape: tuple[int, int], size: int) -> np.ndarray:
    """Return noise of a certain coarseness, float32 (size, size), with a deviation near 1."""
    return cv2.resize(rng.standard_normal(shape, np.float32), (size, size), interpolation=cv2.INTER_CUBIC)


def _whole(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])
