"""Values as texts, and the one value that both the page and the terminal take from training.

Knows numbers, names and the keys of model cards. Does not know markup, lines or tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def decimals(value: float | None, missing: str) -> str:
    """Return a number with three decimals; `missing` for None."""
    return missing if value is None else f"{value:.3f}"


def count(value: int | None) -> str:
    """Return an integer with thousands separators, a dash for None."""
    return "–" if value is None else f"{value:,}"


def signed(value: float) -> str:
    """Return a difference with its sign and three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def number(value: float | None) -> str:
    """Return a number with three decimals, or ``undefined``."""
    return decimals(value, "undefined")


def shortened(text: str, width: int) -> str:
    """Return a text of at most `width` characters; an ellipsis stands for a missing end."""
    return text if len(text) <= width else text[: width - 1] + "…"


def unseen_f1(measured: Mapping[str, Any]) -> float | None:
    """Return frame F1 over the test groups without training frames; None if there are none.

    Parameters
    ----------
    measured : mapping
        ``metrics`` of a model card, or a model of ``comparison.json``. Those of older versions have videos
        instead of groups.
    """
    unseen = measured.get("test_unseen_groups", measured.get("test_unseen_videos"))
    frames = unseen.get("frames") if isinstance(unseen, Mapping) else None
    return frames.get("f1") if isinstance(frames, Mapping) else None
