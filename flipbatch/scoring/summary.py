"""A finished run's metrics as lines for a terminal.

Knows ``metrics.json``; knows no tables and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Metrics = Mapping[str, Any]

_WIDEST_NAME = 28


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
    models = metrics["models"]
    width = min(_WIDEST_NAME, max(14, *map(len, models)))
    header = f"{'F1':>7}  {'95 % interval':<15}{'balanced':>9}{'video F1':>10}{'mean F1':>9}"
    rows = [_fitted(name, width) + _scores(model) for name, model in models.items()]
    return [*lines, _fitted("model", width) + header, *rows]


def _fitted(name: str, width: int) -> str:
    return name.ljust(width) if len(name) <= width else name[: width - 1] + "…"


def _scores(model: Metrics) -> str:
    frames = model["frames"]
    interval = frames["f1_interval"]
    between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
    return (
        f"{_number(frames['f1']):>7}  {between:<15}{_number(frames['balanced_accuracy']):>9}"
        f"{_number(model['videos']['f1']):>10}{_number(model['per_video']['mean_f1']):>9}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
