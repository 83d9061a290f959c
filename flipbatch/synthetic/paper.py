"""Positions of a book's pages: bent sheets that rest on a stack or are in the air.

A sheet is a ruled surface: straight lines join an upper and a lower edge curve, and both curves run from the
spine to the page's outer edge. Knows no colours and draws nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from flipbatch.synthetic.scene import Book, Side, Turn

SEGMENTS = 18
"""Number of straight pieces that approximate the curve of a sheet."""
SMALLEST_GAP = 3.0
"""Smallest angle between a page in the air and a resting one, in degrees."""

_ALONG = np.linspace(0, 1, SEGMENTS + 1)
_HUMP = np.exp(-_ALONG / 0.13) - 0.12
_BULGE = 0.5 - _ALONG
_CURL = np.maximum(0, (_ALONG - 0.62) / 0.38) ** 1.5
_OUTER = np.maximum(0, (_ALONG - 0.3) / 0.7)


@dataclass(frozen=True)
class Sheet:
    """A bent page.

    Attributes
    ----------
    upper, lower
        (SEGMENTS + 1, 3) points from the spine to the outer edge, in cm.
    """

    upper: np.ndarray
    lower: np.ndarray

    def outer_edge(self, along: float) -> np.ndarray:
        """Return a point of the outer edge: 0 is the lower corner, 1 is the upper one."""
        return self.lower[-1] + along * (self.upper[-1] - self.lower[-1])

    def grid(self, rows: int) -> np.ndarray:
        """Return points (rows, SEGMENTS + 1, 3), the upper edge first."""
        share = np.linspace(0, 1, rows)[:, None, None]
        return self.upper[None] * (1 - share) + self.lower[None] * share


@lru_cache(maxsize=64)
def resting_sheet(book: Book, side: int) -> Sheet:
    """Return the page on top of the left (`side` = -1) or the right (+1) stack."""
    half = book.left if side < 0 else book.right
    edges = []
    for corner, y in ((1.0, book.page_height / 2), (0.0, -book.page_height / 2)):
        curl = half.curl * min(1.0, 2 * (half.corner if corner else 1 - half.corner))
        skew = 1 + half.skew * (1 if corner else -1)
        slope = skew * (half.hump * _HUMP + half.bulge * _BULGE) + curl * _CURL
        flat = _bent_edge(np.radians(slope), book.page_width)
        flat[:, 1] += half.thickness - _bent_edge(np.radians(slope - curl * _CURL), book.page_width)[-1, 1]
        edges.append(_stand(_rotate(flat, half.tilt), y, side))
    return Sheet(edges[0], edges[1])


@lru_cache(maxsize=32)
def turning_sheet(book: Book, turn: Turn, time: float) -> Sheet:
    """Return a page in the air at `time`. It stays between the two resting pages."""
    gutter = 0.6 * max(book.left.thickness, book.right.thickness)
    edges = []
    for lead, y in ((0.5, book.page_height / 2), (-0.5, -book.page_height / 2)):
        slope = _turning_slope(book, turn, time, lead)
        edge = _bent_edge(np.radians(slope), book.page_width)
        edges.append(_stand(edge + np.array([0.0, gutter]), y, 1))
    for side in (-1, 1):
        rest = resting_sheet(book, side)
        for edge, below in zip(edges, (rest.upper, rest.lower), strict=True):
            _lay_above(edge, below, side)
    return Sheet(edges[0], edges[1])


def _lay_above(edge: np.ndarray, below: np.ndarray, side: int) -> None:
    """Raise the points of an edge that are below a resting page, in place: more at its outer end."""
    here = side * edge[:, 0] > 0
    floor = np.interp(side * edge[here, 0], side * below[:, 0], below[:, 2], right=-np.inf)
    edge[here, 2] = np.maximum(edge[here, 2], floor + 0.15 + 0.25 * _ALONG[here])


def _turning_slope(book: Book, turn: Turn, time: float, lead: float) -> np.ndarray:
    """Return the slopes of one edge of a page in the air, in degrees."""
    bend, curl, twist = (a + time * (b - a) for a, b in (turn.bend, turn.curl, turn.twist))
    low, high = book.right.tilt + SMALLEST_GAP, 180 - book.left.tilt - SMALLEST_GAP
    angle = float(np.clip(turn.angle(time), low, high))
    room = min(angle - low, high - angle) + 2 * SMALLEST_GAP
    # The part near the spine turns back by less than the page is away from the resting ones.
    slope = angle + float(np.clip(bend, -2.6 * room, 2.6 * room)) * (_ALONG - 0.5)
    slope += (lead * twist) * _OUTER + curl * _CURL
    return np.clip(slope, low - 30, high + 30)


def lift(book: Book, sheet: Sheet) -> float:
    """Return the largest distance of a sheet's outer corners from the resting pages, in page widths."""
    rests = [resting_sheet(book, side) for side in (-1, 1)]
    distances = [
        min(float(np.linalg.norm(sheet.outer_edge(corner) - rest.outer_edge(corner))) for rest in rests)
        for corner in (0.0, 1.0)
    ]
    return max(distances) / book.page_width


def _bent_edge(slope: np.ndarray, width: float) -> np.ndarray:
    """Return the points (SEGMENTS + 1, 2) of an edge curve, outwards and up, from its slopes (radians)."""
    middle = (slope[1:] + slope[:-1]) / 2
    steps = np.stack([np.cos(middle), np.sin(middle)], axis=1) * (width / SEGMENTS)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _rotate(edge: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate a curve about the spine."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.stack([edge[:, 0] * cos - edge[:, 1] * sin, edge[:, 0] * sin + edge[:, 1] * cos], axis=1)


def _stand(edge: np.ndarray, y: float, side: int) -> np.ndarray:
    """Return points in the scene of a curve at `y`, mirrored for the left side."""
    return np.stack([side * edge[:, 0], np.full(len(edge), y), edge[:, 1]], axis=1)


def stack_foot(book: Book, half: Side, side: int) -> np.ndarray:
    """Return the foot of a stack's lower edge: (SEGMENTS + 1, 2) x and z, from the spine outwards."""
    flat = np.stack([_ALONG * (book.page_width + half.fan), np.zeros(SEGMENTS + 1)], axis=1)
    turned = _rotate(flat, half.tilt)
    return np.stack([side * turned[:, 0], turned[:, 1]], axis=1)
