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
    return [*table, *_best_lines(comparison)]


def _unseen_f1(entry: Metrics) -> float | None:
    """Return F1 over the test frames of videos that did not train."""
    unseen = entry["test_unseen_videos"]
    return unseen["frames"]["f1"] if unseen else None


# ---------------------------------------------------------------------------------------- training


def _best_lines(comparison: Metrics) -> list[str]:
    """Return which model is best and how sure that is, as lines of at most 80 columns."""
    chosen = f"best by {comparison['chosen_by']}: {comparison['best']}"
    return [chosen, *_difference_lines(comparison["differences"], "test split")]


def _difference_lines(differences: list[Metrics], where: str) -> list[str]:
    """Return the F1 of models minus that of others on some frames, as lines of at most 80 columns."""
    lines = []
    for one in differences:
        (a, b), value, interval = one["models"], one["f1"], one["f1_interval"]
        if value is None:
            continue
        lines.append(f"F1 of {a} minus {b} on the {where}: {value:+.3f}")
        if interval:
            seen = "no difference" if interval[0] <= 0 <= interval[1] else "a difference"
            lines.append(f"  95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}: {seen} to be seen")
    return lines


def folds_lines(folds: Metrics) -> list[str]:
    """Return ``folds.json`` as two tables of lines of at most 80 columns.

    Parameters
    ----------
    folds : mapping
        The content of ``folds.json``.

    Returns
    -------
    list of str
        A line per fold and model, then two per model: mean and spread over folds, and all folds pooled.
    """
    width = max(5, min(22, max(map(len, folds["models"]))))
    lines = [f"{'fold':>4}  {'model':<{width}}{'frames':>9}{'groups':>8}{'F1':>8}{'balanced':>10}"]
    for fold in folds["folds"]:
        for name, model in fold["models"].items():
            numbers = f"{fold['frames']:>9}{fold['groups']:>8}{_shown(model['frames']['f1']):>8}"
            balanced = _shown(model["frames"]["balanced_accuracy"])
            lines.append(f"{fold['fold']:>4}  {name[:width]:<{width}}{numbers}{balanced:>10}")
    header = f"{'mean':>7}{'spread':>8}{'pooled':>8}  95 % interval"
    lines += ["", f"{'all folds':<{width + 10}}{header}"]
    for name, model in folds["models"].items():
        for key, title in (("f1", "F1"), ("balanced_accuracy", "balanced")):
            pooled, over = model["pooled"]["frames"], model[key]
            numbers = f"{_shown(over['mean']):>7}{_shown(over['spread']):>8}{_shown(pooled[key]):>8}"
            interval = pooled[f"{key}_interval"]
            between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
            lines.append(f"{name[:width]:<{width}} {title:<9}{numbers}  {between}")
    return [*lines, *_difference_lines(folds["differences"], "pooled folds")]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
