"""Models' metrics side by side, as lines for a terminal.

Knows the keys that `tally.ModelTally.to_json` gives; knows no files and no terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Metrics = Mapping[str, Any]

WIDEST_NAME = 27
"""The other columns take 53 of 80."""


def score_table(
    models: Mapping[str, Metrics], last: str, value: Callable[[Metrics], float | None]
) -> list[str]:
    """Return a header and a line a model, of at most 80 columns.

    Parameters
    ----------
    models : mapping of str to dict
        Name to ``frames``, ``videos`` and ``per_video``; each may be None.
    last : str
        Title of the last column, at most 10 characters.
    value : callable
        Gives the last column's number of a model.
    """
    width = min(WIDEST_NAME, max(14, *map(len, models)))
    header = f"{'F1':>7}  {'95 % interval':<15}{'balanced':>9}{'video F1':>10}{last:>10}"
    rows = [
        _fitted(name, width) + _scores(model) + _number(value(model), 10) for name, model in models.items()
    ]
    return [_fitted("model", width) + header, *rows]


def _fitted(name: str, width: int) -> str:
    return name.ljust(width) if len(name) <= width else name[: width - 1] + "…"


def _scores(model: Metrics) -> str:
    frames, videos = model["frames"] or {}, model["videos"] or {}
    interval = frames.get("f1_interval")
    between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
    balanced = _number(frames.get("balanced_accuracy"), 9)
    return f"{_number(frames.get('f1'), 7)}  {between:<15}{balanced}{_number(videos.get('f1'), 10)}"


def _number(value: float | None, width: int) -> str:
    return ("-" if value is None else f"{value:.3f}").rjust(width)
