"""Facts about `flipbatch.runtime.command_line`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import pty
import re
import subprocess
import sys

import pytest

from flipbatch.errors import FlipbatchError, InputError, OutputError
from flipbatch.runtime.command_line import (
    DONE,
    FAILED,
    TOO_MANY_ERRORS,
    WRONG_ARGUMENTS,
    add_common,
    add_frames,
    fraction,
    non_negative_integer,
    non_negative_number,
    positive_integer,
    run,
)


@pytest.fixture
def parser():
    command = argparse.ArgumentParser(prog="score")
    add_frames(command)
    command.add_argument("--limit", type=positive_integer)
    command.add_argument("--min-delta", type=non_negative_number)
    command.add_argument("--threshold", type=fraction)
    add_common(command)
    command.set_defaults(go_on="The same command goes on.")
    return command


@pytest.fixture
def started_with(monkeypatch):
    return lambda *arguments: monkeypatch.setattr(sys, "argv", ["score.py", *arguments])


def run_main(parser, main):
    parser.set_defaults(main=main)
    return run(parser)


def fails_with(error):
    def main(_):
        raise error

    return main


@pytest.mark.parametrize("text", ["1", "30", "1000000"])
def test_integers_from_1_on_are_accepted(text):
    assert positive_integer(text) == int(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "nan", "inf"])
def test_other_text_is_not_a_positive_integer(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is not an integer ≥ 1$"):
        positive_integer(text)


@pytest.mark.parametrize("text", ["0", "1", "30"])
def test_integers_from_0_on_are_accepted(text):
    assert non_negative_integer(text) == int(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "", "nan", "1e3"])
def test_other_text_is_not_a_non_negative_integer(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is not an integer ≥ 0$"):
        non_negative_integer(text)


@pytest.mark.parametrize("text", ["0", "0.001", "1e-3", "7"])
def test_numbers_from_0_on_are_accepted(text):
    assert non_negative_number(text) == float(text)


@pytest.mark.parametrize("text", ["-0.1", "little", "nan", "inf"])
def test_other_text_is_not_a_non_negative_number(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is not a number ≥ 0$"):
        non_negative_number(text)


@pytest.mark.parametrize("text", ["0", "0.05", "1"])
def test_numbers_from_0_to_1_are_accepted(text):
    assert fraction(text) == float(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "5%", "nan", "inf"])
def test_other_text_is_not_a_fraction(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is not a number from 0 to 1$"):
        fraction(text)


def test_the_exit_code_is_the_result_of_main(parser, started_with):
    started_with("--frames", "/frames", "--limit", "7")
    assert run_main(parser, lambda arguments: DONE) == 0
    assert run_main(parser, lambda arguments: TOO_MANY_ERRORS) == 3
    assert run_main(parser, lambda arguments: arguments.limit) == 7


@pytest.mark.parametrize("error", [FlipbatchError("Stop."), InputError("Stop."), OutputError("Stop.")])
def test_an_error_for_the_user_is_one_line_and_exit_code_1(parser, started_with, capsys, error):
    started_with("--manifest", "m.csv")
    assert run_main(parser, fails_with(error)) == FAILED == 1
    assert capsys.readouterr().err == "error: Stop.\n"


def test_an_internal_error_is_one_sentence_that_calls_it_a_fault(parser, started_with, capsys):
    started_with("--frames", "/frames")
    assert run_main(parser, fails_with(ValueError("bad\nftp://me:pass@host \x1b[2J"))) == FAILED
    fault = "This is a fault of flipbatch: please report it; -v shows the traceback."
    assert capsys.readouterr().err == f"error: ValueError: bad; ftp://***@host \\x1b[2J. {fault}\n"


def test_a_package_that_is_missing_is_no_fault_but_an_installation(parser, started_with, capsys):
    started_with("--frames", "/frames")
    assert run_main(parser, lambda _: importlib.import_module("no_such_package")) == FAILED
    assert f"No module named 'no_such_package' for {sys.executable}: install" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError(), OutputError("Stop.")])
def test_the_traceback_of_an_error_is_a_detail_of_the_log(parser, started_with, caplog, error):
    for flags, shown in ([], False), (["-v"], True):
        caplog.clear()
        started_with("--frames", "/frames", *flags)
        run_main(parser, fails_with(error))
        assert ("Traceback" in caplog.text) is shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "one of the arguments --frames --manifest is required"),
        (["--frames", "a", "--manifest", "b"], "not allowed with argument --frames"),
        (["--frames", "a", "--limit", "none"], "argument --limit: 'none' is not an integer ≥ 1"),
        (["--frames", "a", "--min-delta", "-1"], "argument --min-delta: '-1' is not a number ≥ 0"),
        (["--frames", "a", "--threshold", "50"], "argument --threshold: '50' is not a number from 0 to 1"),
        (["--frames", "a", "--colour", "red"], "unrecognized arguments: --colour red"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_what(parser, started_with, capsys, arguments, complaint):
    started_with(*arguments)
    with pytest.raises(SystemExit) as stopped:
        run_main(parser, lambda _: DONE)
    assert stopped.value.code == WRONG_ARGUMENTS == 2
    assert complaint in capsys.readouterr().err


def test_help_names_frames_and_manifest(parser, started_with, capsys):
    started_with("--help")
    with pytest.raises(SystemExit) as stopped:
        run_main(parser, lambda _: DONE)
    assert stopped.value.code == DONE
    text = capsys.readouterr().out
    assert "--frames URI" in text
    assert "--manifest URI" in text


def test_an_interruption_is_one_line_and_exit_code_1(parser, started_with, capsys):
    started_with("--frames", "/frames")

    def interrupted(_):
        raise KeyboardInterrupt

    assert run_main(parser, interrupted) == FAILED
    assert capsys.readouterr().err == "error: Interrupted. The same command goes on.\n"


# ---------------------------------------------------------------------------------------- logging


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ([], logging.INFO),
        (["-v"], logging.DEBUG),
        (["--verbose"], logging.DEBUG),
        (["-q"], logging.WARNING),
        (["--quiet"], logging.WARNING),
    ],
)
def test_flags_set_the_level_of_flipbatch_alone(parser, started_with, flags, level):
    others = logging.getLogger("other_package").getEffectiveLevel()
    started_with("--frames", "/frames", *flags)
    run_main(parser, lambda _: DONE)
    assert logging.getLogger("flipbatch.scoring.job").getEffectiveLevel() == level
    assert logging.getLogger("other_package").getEffectiveLevel() == others


def test_verbose_and_quiet_exclude_each_other(parser, started_with, capsys):
    started_with("--frames", "/frames", "-v", "-q")
    with pytest.raises(SystemExit) as stopped:
        run_main(parser, lambda _: DONE)
    assert stopped.value.code == WRONG_ARGUMENTS
    assert "not allowed with argument -v/--verbose" in capsys.readouterr().err


LOGS_ONE_LINE = """
import argparse, logging
from flipbatch.runtime.command_line import add_common, run
parser = argparse.ArgumentParser()
add_common(parser)
log = logging.getLogger("flipbatch.a")
parser.set_defaults(go_on="", main=lambda _: log.info("from ftp://me:pass@host") or 0)
run(parser)
"""


def test_lines_of_a_log_file_have_their_time():
    logged = subprocess.run([sys.executable, "-c", LOGS_ONE_LINE], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} from ftp://\*\*\*@host\n", logged.stderr)


def test_lines_on_a_terminal_have_no_time():
    ours, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", LOGS_ONE_LINE], stderr=terminal, check=True)
    assert os.read(ours, 1000) == b"from ftp://***@host\r\n"
    os.close(ours)
    os.close(terminal)


def test_quiet_leaves_out_a_line_of_information():
    command = [sys.executable, "-c", LOGS_ONE_LINE, "-q"]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
