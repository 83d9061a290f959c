"""Facts about `flipbatch.runtime.standard_streams`."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flipbatch.runtime.standard_streams import fitted, show, unstoppable

COMMAND = f"{sys.executable} -m flipbatch.cli"


def outcome(command: str) -> tuple[int, str]:
    """Return the exit code of a command in bash, of the first one in a pipe, and what is printed."""
    done = subprocess.run(
        ["bash", "-c", command + "; exit ${PIPESTATUS[0]}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("out", ["| true", "> /dev/full", ">&-", "2>&- | true", ">&- 2>&- <&-"])
def test_a_command_whose_output_goes_nowhere_ends_as_ever_and_in_silence(out):
    assert outcome(f"{COMMAND} --version {out}") == (0, "")


@pytest.mark.parametrize("err", ["|& true", "2> /dev/full", "2>&-", ">&- 2>&- <&-"])
def test_a_command_whose_errors_go_nowhere_ends_as_ever_and_in_silence(err):
    assert outcome(f"{COMMAND} --wrong {err}") == (2, "")


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="ascii") as stream:
        yield reading, stream


def test_a_pipe_that_closes_does_not_stop_the_writer(pipe):
    reading, stream = pipe
    ours = unstoppable(stream)
    print("one", file=ours)
    assert os.read(reading, 100) == b"one\n"
    os.close(reading)
    for _ in range(3):
        print("two" * 10_000, file=ours)


def test_a_pipe_that_is_full_and_does_not_block_gets_everything(pipe):
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    writer = threading.Thread(target=print, args=("x" * 1_000_000,), kwargs={"file": unstoppable(stream)})
    writer.start()
    with os.fdopen(reading, "rb") as there:
        assert there.read(1_000_001) == b"x" * 1_000_000 + b"\n"
    writer.join()


def test_a_full_disk_does_not_stop_the_writer():
    with open("/dev/full", "w") as full:
        print("lost", file=unstoppable(full))


def test_what_an_encoding_lacks_is_written_as_escapes(tmp_path: Path):
    with open(tmp_path / "file", "w", encoding="latin-1") as file:
        print("ö Ω \udcff", file=unstoppable(file))
    assert (tmp_path / "file").read_bytes() == b"\xf6 \\u03a9 \\udcff\n"


def test_a_closed_stream_is_one_to_nowhere_and_another_stays_as_it_is():
    with unstoppable(None) as nowhere:
        print("lost", file=nowhere)
    memory = io.StringIO()
    assert unstoppable(memory) is memory


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_are_cut_between_words_on_a_terminal_alone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    assert fitted("one two three four\n  a   b", Terminal()) == "one two\nthree four\n  a   b"
    assert fitted("  one two three a-very-long-word", Terminal()) == "  one two\n  three\n  a-very-long-word"
    assert fitted("one two three four", io.StringIO()) == "one two three four"


def test_lines_are_shown_without_characters_that_move_a_cursor(capsys):
    show(["a\x1b[2J", "", "ö"])
    assert capsys.readouterr().out == "a\\x1b[2J\n\nö\n"
