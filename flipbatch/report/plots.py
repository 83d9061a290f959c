"""Small plots within a table or a row as shapes of SVG: intervals and histograms.

Knows numbers and geometry. Does not know markup or colours: the template draws the shapes, the stylesheet
colours them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flipbatch.runtime.wording import counted
from flipbatch.scoring.figures import BINS, LABELS

_PANEL_HEIGHT = 60
_TALLEST_BAR = 58


@dataclass(frozen=True)
class Shape:
    """A ``rect`` of SVG: its class, its numbers, and a tooltip."""

    css_class: str
    numbers: Mapping[str, float]
    title: str = ""


@dataclass(frozen=True)
class Plot:
    """Shapes in a coordinate system. It stretches with its place, so it contains no text.

    Attributes
    ----------
    css_class, view_box, label : str
    shapes : sequence of Shape
    """

    css_class: str
    view_box: str
    label: str
    shapes: Sequence[Shape]


@dataclass(frozen=True)
class Panel:
    """One histogram: the frames of one label."""

    title: str
    kind: str
    frames: int
    plot: Plot = field(repr=False)


def interval(value: float, low: float, high: float, floor: float | None, label: str) -> Plot:
    """Draw a line from 0 to 1 with an interval, the value, and the value of predicting flip for all.

    Parameters
    ----------
    value, low, high, floor : float
        In [0, 1].
    label : str
        The text for readers without the picture.
    """
    shapes = [
        _rect("track", 0, 5, 100, 2),
        _rect("span", 100 * low, 4, max(100 * (high - low), 0.5), 4),
        *([] if floor is None else [_rect("floor", 100 * floor - 0.5, 1, 1, 10)]),
        _rect("point", 100 * value - 1, 0, 2, 12),
    ]
    return Plot("interval", "0 0 100 12", label, shapes)


def histogram_panels(counts: NDArray[np.int64], threshold: float) -> list[Panel]:
    """Draw a histogram of each label that has frames.

    Parameters
    ----------
    counts : ndarray
        int64 [3, BINS], rows as `scoring.figures.LABELS`.
    threshold : float
        In [0, 1].
    """
    return [_panel(label, counts[row], threshold) for row, label in enumerate(LABELS) if counts[row].any()]


def _panel(label: str, counts: NDArray[np.int64], threshold: float) -> Panel:
    kind, frames = label.replace(" ", "-"), int(counts.sum())
    heights = counts / counts.max()
    bars = [
        _bar(bin_, int(counts[bin_]), float(heights[bin_]), kind) for bin_ in np.flatnonzero(counts).tolist()
    ]
    shapes = [*bars, _rect("threshold", 100 * threshold - 0.15, 0, 0.3, _PANEL_HEIGHT)]
    text = f"Flip probabilities of {counted(frames, 'frame')}, {label}"
    return Panel(label, kind, frames, Plot("histogram", f"0 0 100 {_PANEL_HEIGHT}", text, shapes))


def _bar(bin_: int, count: int, height: float, kind: str) -> Shape:
    width, tall = 100 / BINS, max(_TALLEST_BAR * height, 1.5)
    title = f"{bin_ / BINS:.2f} to {(bin_ + 1) / BINS:.2f}: {counted(count, 'frame')}"
    return _rect(f"bar-{kind}", bin_ * width + 0.3, _PANEL_HEIGHT - tall, width - 0.6, tall, title)


def _rect(css_class: str, x: float, y: float, width: float, height: float, title: str = "") -> Shape:
    return Shape(css_class, {"x": x, "y": y, "width": width, "height": height}, title)
