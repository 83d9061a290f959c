"""Trained bundles side by side: which model is best by F1, as JSON and as lines for a terminal.

Knows the metrics in bundles' records; knows no network and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]


def compare(records: Mapping[str, Record]) -> dict[str, Any]:
    """Compare models on the test split.

    Parameters
    ----------
    records : mapping of str to record
        Model name to its bundle's record.

    Returns
    -------
    dict
        ``best``, the name of the model with the largest frame F1 on the test split (the first of equals),
        and for each of ``models`` the test metrics ``frames``, ``videos`` and ``per_video``, with
        ``validation`` and ``test_unseen_videos`` beside them.
    """
    models = {name: _entry(record["metrics"]) for name, record in records.items()}
    return {"best": max(models, key=lambda name: _f1(models[name])), "models": models}


def _entry(metrics: Record) -> dict[str, Any]:
    others = {name: metrics[name] for name in ("validation", "test_unseen_videos")}
    return {**(metrics["test"] or {"frames": None, "videos": None, "per_video": None}), **others}


def _f1(entry: Record) -> float:
    f1 = entry["frames"]["f1"] if entry["frames"] else None
    return -1.0 if f1 is None else f1


def comparison_lines(comparison: Record) -> list[str]:
    """Return the comparison as lines of at most 80 columns."""
    header = f"{'model':<14}{'F1':>7}  {'95 % interval':<15}{'balanced':>9}{'video F1':>10}{'unseen F1':>11}"
    rows = [_line(name, entry) for name, entry in comparison["models"].items()]
    return [header, *rows, f"best by F1 on the test split: {comparison['best']}"]


def _line(name: str, entry: Record) -> str:
    frames, unseen = entry["frames"] or {}, entry["test_unseen_videos"] or {}
    interval = frames.get("f1_interval")
    between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
    return (
        f"{name:<14}{_number(frames.get('f1')):>7}  {between:<15}"
        f"{_number(frames.get('balanced_accuracy')):>9}{_number((entry['videos'] or {}).get('f1')):>10}"
        f"{_number((unseen.get('frames') or {}).get('f1')):>11}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
