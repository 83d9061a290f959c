"""Facts about `flipbatch.errors`."""

from __future__ import annotations

from flipbatch.errors import FlipbatchError, InputError


def test_a_message_holds_no_control_characters():
    error = InputError("a\x1b[2Jfile\nof \u202ename é 日本")
    assert isinstance(error, FlipbatchError)
    assert str(error) == "a\\x1b[2Jfile\\nof \\u202ename é 日本"
