"""Trained bundles side by side: which model is best by F1.

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
