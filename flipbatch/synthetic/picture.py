"""Pictures in books: photographs, scans, screens, plots, diagrams and drawings, in colour or grey.

Each is a function of a size, a book and random numbers. Knows no pages.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from flipbatch.synthetic.scene import Book

Draw = Callable[[int, int, Book, np.random.Generator], np.ndarray]
"""Takes width and height in pixels, the book and random numbers; gives uint8 RGB (height, width, 3)."""


def choose_picture(rng: np.random.Generator) -> Draw:
    """Return a kind of picture."""
    return _KINDS[int(rng.integers(len(_KINDS)))]


def _photograph(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return soft blobs of colour with details."""
    low_res = rng.uniform(10, 230, (int(rng.integers(2, 8)), int(rng.integers(2, 8)), 3)).astype(np.float32)
    picture = cv2.resize(low_res, (width, height), interpolation=cv2.INTER_CUBIC)
    picture += 22 * _noise(width, height, 4, rng)
    return _toned(picture * rng.uniform(0.5, 1.1), book)


def _scan(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return details of all sizes with hard contrast, in grey: X-rays, micrographs, prints of circuits."""
    grey = sum(_noise(width, height, size, rng) * size**0.5 for size in (2, 5, 12, 30))
    grey = np.asarray(grey) / 8
    if rng.random() < 0.4:
        grey = np.sign(grey - rng.uniform(-0.5, 0.5)) * rng.uniform(0.6, 1.2)
    level, reach = rng.uniform(50, 190), rng.uniform(40, 120)
    return cv2.merge([(level + reach * grey).clip(0, 255).astype(np.uint8)] * 3)


def _shapes(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return boxes and ellipses of flat colours on a ground: drawings, maps, parts of machines."""
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = rng.uniform(20, 250, 3)
    for _ in range(int(rng.integers(2, 14))):
        color = rng.uniform(0, 255, 3).tolist()
        x, y = round(rng.uniform(0, width)), round(rng.uniform(0, height))
        across, down = (max(1, round(rng.uniform(0.03, 0.4) * side)) for side in (width, height))
        if rng.random() < 0.5:
            cv2.rectangle(picture, (x - across, y - down), (x + across, y + down), color, -1)
        else:
            cv2.ellipse(picture, (x, y), (across, down), float(rng.uniform(0, 180)), 0, 360, color, -1)
    return _toned(picture, book)


def _plot(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return curves over a grid of lines on paper."""
    picture = np.full((height, width, 3), book.paper, np.uint8)
    ink = [float(value) for value in book.ink]
    pale = [(float(value) + float(paper)) / 2 for value, paper in zip(book.ink, book.paper, strict=True)]
    for side, end in ((0, width), (1, height)):
        for line in np.linspace(0, end - 1, int(rng.integers(2, 12))).astype(int).tolist():
            ends = ((line, 0), (line, height)) if side == 0 else ((0, line), (width, line))
            cv2.line(picture, *ends, pale, 1)
    across = np.linspace(0, width - 1, 24)
    for _ in range(int(rng.integers(1, 6))):
        curve = height * (0.5 + 0.4 * np.sin(across / width * rng.uniform(2, 20) + rng.uniform(0, 6)))
        points = np.stack([across, curve], axis=1).astype(np.int32)
        cv2.polylines(picture, [points], False, ink, 1, cv2.LINE_AA)
    return picture


def _screen(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return light strokes on a dark ground: a terminal, code, a table."""
    shade = int(rng.integers(15, 120))
    picture = np.full((height, width, 3), (shade, shade, shade + 4), np.uint8)
    line = max(4, width // 24)
    for y in range(line // 2, height - line // 2, line):
        x = line
        while x < width * rng.uniform(0.2, 0.95):
            end = x + round(line * rng.uniform(0.5, 4))
            cv2.line(picture, (x, y), (min(end, width - line), y), [shade + 90.0] * 3, max(1, line // 3))
            x = end + line // 2
    return picture


def _diagram(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return boxes joined by lines on paper."""
    picture = np.full((height, width, 3), book.paper, np.uint8)
    points = (rng.uniform(0.12, 0.88, (int(rng.integers(3, 8)), 2)) * (width, height)).astype(np.int32)
    ink = [float(value) for value in book.ink]
    cv2.polylines(picture, [points], False, ink, 1, cv2.LINE_AA)
    across, down = max(2, width // 14), max(2, width // 24)
    for x, y in points.tolist():
        cv2.rectangle(
            picture, (x - across, y - down), (x + across, y + down), rng.integers(60, 230, 3).tolist(), -1
        )
    return picture


_KINDS: tuple[Draw, ...] = (_photograph, _photograph, _scan, _scan, _shapes, _plot, _screen, _diagram)


def _noise(width: int, height: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return grey noise with details of `size` pixels, float32 (height, width, 1)."""
    coarse = rng.standard_normal((max(2, height // size), max(2, width // size)), np.float32)
    return cv2.resize(coarse, (width, height))[:, :, None]


def _toned(picture: np.ndarray, book: Book) -> np.ndarray:
    """Return a picture in colour, or in grey in books with an odd seed."""
    grey = picture.mean(axis=2, keepdims=True)
    toned = grey + (picture - grey) * (0.0 if book.seed % 2 else 0.9)
    return np.clip(toned, 0, 255).astype(np.uint8)
