"""The metrics of several models as one table for a terminal.

Knows the keys of ``metrics.json``. Does not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flipbatch.report.values import decimals, shortened

Metrics = Mapping[str, Any]

WIDEST_NAME = 27
"""The other columns take 53 of 80."""


def score_table(
    models: Mapping[str, Metrics], last: str, value: Callable[[Metrics], float | None]
) -> list[str]:
    """Return two lines of titles and one line per model, of at most 80 columns.

    Parameters
    ----------
    models : mapping of str to dict
        Name to ``frames`` and ``videos``; each may be None.
    last : str
        Title of the last column, at most 10 characters.
    value : callable
        Returns the last column's number of a model.
    """
    width = min(WIDEST_NAME, max(14, *map(len, models)))
    above = f"{'':<{width}}{'balanced accuracy':>18}"
    header = f"{'videos':>9}{'frames':>9}{'F1':>8}  {'95 % interval':<15}{last:>10}"
    rows = [
        _fitted(name, width) + _scores(model) + _number(value(model), 10) for name, model in models.items()
    ]
    return [above, _fitted("model", width) + header, *rows]


def _fitted(name: str, width: int) -> str:
    return shortened(name, width).ljust(width)


def _scores(model: Metrics) -> str:
    frames, videos = model["frames"] or {}, model["videos"] or {}
    balanced = [_number(level.get("balanced_accuracy"), 9) for level in (videos, frames)]
    ends = frames.get("f1_interval")
    interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else "-"
    return f"{''.join(balanced)}{_number(frames.get('f1'), 8)}  {interval:<15}"


def _number(value: float | None, width: int) -> str:
    return decimals(value, "-").rjust(width)
