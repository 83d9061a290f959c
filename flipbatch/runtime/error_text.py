"""Join the lines of an error's text into one sentence.

Knows what tracebacks look like in a text; knows no kind of error.
"""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAMES = re.compile(
    r"^.*Traceback \(most recent call last\):.*\n"
    r"|^\S*ray::.*\n(?=\s+File )"
    r"|^[ \t]*File \".*\", line \d+.*\n(?:[ \t]+.*\n)*",
    re.MULTILINE,
)


def one_line(error: BaseException | str) -> str:
    """Return the text of an error, or else its type, in one line without a full stop.

    Of tracebacks, only the errors remain.
    """
    text = _FRAMES.sub("", _COLOUR.sub("", str(error)) + "\n")
    joined = ""
    for line in filter(None, map(str.strip, text.split("\n"))):
        joined += ("" if not joined else " " if joined[-1] in ".:;,!?" else "; ") + line
    return joined.rstrip(".:;, ") or type(error).__name__
