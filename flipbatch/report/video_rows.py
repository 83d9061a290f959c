"""The rows of the table of videos: texts, and the timeline of each video as paths of SVG.

Knows the columns of `figures.RANKED_VIDEOS`. Does not know markup: template and script draw the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from markupsafe import Markup

from flipbatch.report.contents import Json, Report
from flipbatch.report.html import json_in_html
from flipbatch.report.values import count, decimals, number
from flipbatch.report.views import labelled
from flipbatch.scoring.timelines import LEVELS, NO_LEVEL

ROWS_AT_FIRST = 20
"""Rows of the table before a script adds others."""

TRUTH_HEIGHT = 2
STRIP_HEIGHT = LEVELS + 1 + TRUTH_HEIGHT


@dataclass(frozen=True)
class Strip:
    """The timeline of one video; one unit is a stretch of frames wide.

    Attributes
    ----------
    width : int
    levels, truth, turns : str
        Paths of SVG, from the top: ``turns`` are behind ``levels``, and ``truth`` is below them.
    """

    width: int
    levels: str
    truth: str
    turns: str


@dataclass(frozen=True)
class VideoRow:
    """A video: its name, the texts of its other cells, and its timeline."""

    video_id: str
    cells: Sequence[str]
    strip: Strip

    def to_json(self) -> list[Any]:
        """Return a list for the script: the name, the strip's four values, and the other texts."""
        strip = self.strip
        return [self.video_id, [strip.width, strip.levels, strip.truth, strip.turns], *self.cells]


@dataclass(frozen=True)
class VideoTable:
    """The videos of one model.

    Attributes
    ----------
    heads : list of str
        The titles of the columns: name, timeline, and the other cells.
    rows : list of VideoRow
    threshold : str
        How far below the top the threshold is in a strip.
    """

    heads: Sequence[str]
    rows: Sequence[VideoRow]
    threshold: str

    strip_height: ClassVar[int] = STRIP_HEIGHT

    @property
    def first(self) -> Sequence[VideoRow]:
        """The rows that are there without a script."""
        return self.rows[:ROWS_AT_FIRST]

    @property
    def json(self) -> Markup:
        """All rows for the script."""
        return json_in_html([row.to_json() for row in self.rows])


def video_table(report: Report, model: str) -> VideoTable:
    """Return the table of a model's videos."""
    rows = report.videos[model].top.to_pylist()
    has_labels = labelled(report)
    more = ["label", "tp", "fp", "fn", "tn", "F1"] if has_labels else ["predicted flip"]
    heads = ["video", "timeline", "frames", "mean probability", "prediction", *more]
    threshold = f"{LEVELS * (1 - report.metrics['models'][model]['threshold']):.2f}"
    found = [VideoRow(row["video_id"], _cells(row, has_labels), _strip(row)) for row in rows]
    return VideoTable(heads, found, threshold)


def _cells(row: Json, has_labels: bool) -> list[str]:
    cells = [count(row["frames"]), decimals(row["mean_probability"], "–"), row["prediction"] or "–"]
    if not has_labels:
        return [*cells, count(row["predicted_flip_frames"])]
    counts = [count(row[key]) for key in ("tp", "fp", "fn", "tn")]
    return [*cells, row["label"] or "–", *counts, number(row["f1"])]


def _strip(row: Json) -> Strip:
    return Strip(
        width=len(row["levels"]),
        levels=_bars([0 if level == NO_LEVEL else level for level in row["levels"]]),
        truth=_blocks(row["truth"], LEVELS + 1, TRUTH_HEIGHT),
        turns=_blocks(row["turns"], 0, LEVELS),
    )


def _bars(levels: Sequence[int]) -> str:
    """Return the outline of bars, one unit wide each, that stand on the line of level 0."""
    if not any(levels):
        return ""
    path, height = f"M0 {LEVELS}", 0
    for level, run in groupby(levels):
        path += (f"v{height - level}" if level != height else "") + f"h{len(list(run))}"
        height = level
    return f"{path}V{LEVELS}z"


def _blocks(present: Sequence[bool], top: int, height: int) -> str:
    """Return a block for each run of values that are set."""
    path, start = "", 0
    for is_set, run in groupby(present):
        width = len(list(run))
        path += f"M{start} {top}h{width}v{height}h-{width}z" if is_set else ""
        start += width
    return path
