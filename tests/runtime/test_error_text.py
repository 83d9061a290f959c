"""Facts about `flipbatch.runtime.error_text`."""

from __future__ import annotations

import traceback

from ray.exceptions import RayTaskError

from flipbatch.runtime.error_text import one_line


def test_lines_become_one_sentence() -> None:
    assert one_line(ValueError("a is wrong.\n\n  use:\n\tb\n\tc.\n")) == "a is wrong. use: b; c"


def test_an_error_without_a_text_is_its_type() -> None:
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_of_a_traceback_the_error_remains() -> None:
    try:
        raise ValueError("bad value\nin line 3")
    except ValueError:
        text = traceback.format_exc()
    assert one_line(RuntimeError(f"It failed:\n{text}")) == "It failed: ValueError: bad value; in line 3"


def test_of_the_traceback_of_a_worker_the_error_remains() -> None:
    place = "\x1b[36mray::f()\x1b[39m (pid=1, ip=1.2.3.4)"
    text = f'{place}\n  File "x.py", line 1, in f\n    g()\n    ^^^\nValueError: bad'
    assert one_line(RayTaskError("f", text, ValueError("bad"))) == "ValueError: bad"
