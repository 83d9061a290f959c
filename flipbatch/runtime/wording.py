"""Counts in sentences: the words that go with one thing and with several.

Knows numbers and words, and no other module.
"""

from __future__ import annotations

import re

_FORMS = re.compile(r"\{(?P<one>[^{}|]*)\|(?P<many>[^{}|]*)\}")


def numbered(sentence: str, count: int) -> str:
    """Fill in a count, and choose the words that go with it.

    Parameters
    ----------
    sentence : str
        May contain ``{count}``, and words for one and for several, such as ``{folder is|folders are}``.
    count : int
        At least 0.
    """
    chosen = _FORMS.sub(lambda forms: forms["one" if count == 1 else "many"], sentence)
    return chosen.replace("{count}", f"{count:,}")


def plural(count: int, one: str) -> str:
    """Return a noun as it stands after a count: ``frame`` after 1, else ``frames``."""
    return one if count == 1 else f"{one}s"


def counted(count: int, one: str) -> str:
    """Return a count and its noun, such as ``1 frame`` or ``1,234 frames``."""
    return f"{count:,} {plural(count, one)}"


def about(seconds: float) -> str:
    """Return a duration in the largest unit that is at least two long: ``90 s``, ``3 min``, ``12 days``."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{round(seconds / length):,} {unit}"
    return f"{max(1, round(seconds))} s"
