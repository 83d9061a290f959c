"""Positions: the camera's projection and the bent sheets of a book.

A sheet is a ruled surface: straight lines join an upper and a lower edge curve, and both curves run from the
spine to the page's outer edge. Knows no colours and draws nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flipbatch.synthetic.scene import Book, Camera, Turn

SEGMENTS = 24
"""Number of straight pieces that approximate the curve of a sheet."""


class Projection:
    """Maps points in the scene (cm) to pixels of a canvas.

    Parameters
    ----------
    camera
        Position and direction of the phone.
    width, height
        Size of the picture, in pixels.
    margin
        Width of the border around the picture, in pixels. Camera shake moves the border into view.
    """

    def __init__(self, camera: Camera, width: int, height: int, margin: int) -> None:
        self._position = np.array(camera.position)
        self._axes = _camera_axes(camera)
        self._focal = camera.focal * height
        self._center = np.array([width / 2 + margin, height / 2 + margin])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points of shape (..., 3) to pixels of shape (..., 2)."""
        seen = (points - self._position) @ self._axes.T
        depth = np.maximum(seen[..., 2:], 1.0)
        return self._center + self._focal * seen[..., :2] / depth

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return the distance in cm from the lens to points of shape (..., 3)."""
        return np.linalg.norm(points - self._position, axis=-1)


def _camera_axes(camera: Camera) -> np.ndarray:
    """Return the camera's right, down and forward directions in world coordinates, as rows."""
    forward = np.array(camera.target) - np.array(camera.position)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(camera.roll), np.sin(camera.roll)
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward])


@dataclass(frozen=True)
class Sheet:
    """A bent page.

    Attributes
    ----------
    upper, lower
        (SEGMENTS + 1, 3) points from the spine to the outer edge, in cm.
    slope
        (2, SEGMENTS + 1) angles between sheet and table along the upper and the lower edge, in radians.
    """

    upper: np.ndarray
    lower: np.ndarray
    slope: np.ndarray

    @cached_property
    def strips(self) -> np.ndarray:
        """(SEGMENTS, 4, 3), corners of the sheet's strips: two upper ones, then two lower ones."""
        return np.stack([self.upper[:-1], self.upper[1:], self.lower[1:], self.lower[:-1]], axis=1)

    def outer_edge(self, along: float) -> np.ndarray:
        """Return a point of the outer edge: 0 is the lower corner, 1 is the upper one."""
        return self.lower[-1] + along * (self.upper[-1] - self.lower[-1])


def turning_sheet(book: Book, turn: Turn, time: float) -> Sheet:
    """Return the page in the air at `time`."""
    angle = turn.angle(time)
    gutter = 0.6 * max(book.thickness)
    slopes = np.radians([_slopes(angle + sign * turn.twist / 2, turn.bend) for sign in (1, -1)])
    upper = _bent_edge(slopes[0], book.page_width, book.page_height / 2, gutter)
    lower = _bent_edge(slopes[1], book.page_width, -book.page_height / 2, gutter)
    return Sheet(upper, lower, slopes)


def _slopes(angle: float, bend: float) -> np.ndarray:
    """Return the angles along a curled sheet in degrees, limited so that it stays above the resting pages."""
    angle = float(np.clip(angle, 9, 171))
    most = 1.7 * min(angle, 180 - angle)
    bend = float(np.clip(bend, -most, most))
    return angle + bend * (np.linspace(0, 1, SEGMENTS + 1) - 0.5)


def resting_sheet(book: Book, side: int) -> Sheet:
    """Return the page on top of the left (`side` = -1) or the right (+1) stack."""
    index = 0 if side < 0 else 1
    along = np.linspace(0, 1, SEGMENTS + 1)
    slope = book.hump[index] * (np.exp(-along / 0.13) - 0.12)
    edges = [_bent_edge(slope, book.page_width, y * book.page_height / 2, 0.0) for y in (1, -1)]
    for edge in edges:
        edge[:, 2] += book.thickness[index] - edge[-1, 2]
        edge[:, 0] *= side
    slopes = slope if side > 0 else np.pi - slope
    return Sheet(edges[0], edges[1], np.stack([slopes, slopes]))


def _bent_edge(slope: np.ndarray, width: float, y: float, gutter: float) -> np.ndarray:
    """Return the points of an edge curve from its slopes (radians)."""
    middle = (slope[1:] + slope[:-1]) / 2
    step = width / SEGMENTS
    x = np.concatenate([[0.0], np.cumsum(np.cos(middle) * step)])
    z = gutter + np.concatenate([[0.0], np.cumsum(np.sin(middle) * step)])
    return np.stack([x, np.full_like(x, y), z], axis=1)
