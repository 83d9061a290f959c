"""A finished run's metrics as lines for a terminal.

Knows ``metrics.json``; knows no tables and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipbatch.report.score_table import score_table

Metrics = Mapping[str, Any]


def error_rate(metrics: Metrics) -> float:
    """Return the share of frames without probability, 0 to 1."""
    frames = metrics["frames"]
    return (frames["total"] - frames["scored"]) / max(1, frames["total"])


def summary_lines(metrics: Metrics) -> list[str]:
    """Return what was scored and how well, as lines of at most 80 columns."""
    frames = metrics["frames"]
    lines = [f"{frames['scored']:,} of {frames['total']:,} frames of {metrics['videos']:,} videos scored"]
    lines += [f"  {count:,} {status}" for status, count in frames["errors"].items() if count]
    if frames["misnamed"]:
        lines.append(f"  {frames['misnamed']:,} files are no frames: see misnamed.parquet")
    if metrics["note"]:
        return [*lines, metrics["note"]]
    return [*lines, *score_table(metrics["models"], "mean F1", lambda model: model["per_video"]["mean_f1"])]


def comparison_lines(comparison: Metrics) -> list[str]:
    """Return the comparison as lines of at most 80 columns."""
    table = score_table(comparison["models"], "unseen F1", _unseen_f1)
    return [*table, f"best by F1 on the test split: {comparison['best']}"]


def _unseen_f1(entry: Metrics) -> float | None:
    """Return F1 over the test frames of videos that did not train."""
    unseen = entry["test_unseen_videos"]
    return unseen["frames"]["f1"] if unseen else None
