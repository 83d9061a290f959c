"""What a command prints can't stop it: not a closed pipe, a full disk, a closed stream or another encoding.

Knows standard output and standard error; knows no command and no message.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from flipbatch.errors import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Unstoppable(io.FileIO):
    """A file whose writes never fail: what can't be written is lost."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            while (written := super().write(data)) is None:  # a pipe that does not block, and is full
                select.select([], [self], [])
            return written
        except OSError:
            return memoryview(data).nbytes


def unstoppable(stream: TextIO | None) -> TextIO:
    """Return a stream to the same file whose writes never fail; of None, one to nowhere.

    Characters that the encoding lacks are written as escapes. Streams that are no files stay as they are.
    """
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, _Stream):
        return stream
    try:
        file = _Unstoppable(stream.fileno(), "w", closefd=False)
    except (OSError, ValueError):
        return stream
    return _Stream(
        io.BufferedWriter(file), encoding=stream.encoding, errors="backslashreplace", line_buffering=True
    )


class _Stream(io.TextIOWrapper):
    """A result of `unstoppable`."""


def secure_standard_streams() -> None:
    """Make standard output and standard error `unstoppable`, and open the standard files that are closed.

    The next file that is opened would take the number of a closed one, and get what libraries and child
    processes print.
    """
    for number in (0, 1, 2):
        _open_if_closed(number)
    sys.stdout, sys.stderr = unstoppable(sys.stdout), unstoppable(sys.stderr)


def _open_if_closed(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere == number:
            os.set_inheritable(number, True)
        else:
            os.dup2(nowhere, number)
            os.close(nowhere)


def show(lines: Iterable[str]) -> None:
    """Print lines to standard output, `fitted` and without characters that move a cursor."""
    for line in lines:
        print(fitted(printable(line), sys.stdout))


def fitted(text: str, stream: TextIO) -> str:
    """Return a text for a stream: on a terminal, its long lines are cut between words."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(line if len(line) <= width else _wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
