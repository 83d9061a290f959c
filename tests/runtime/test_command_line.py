"""Facts about `flipbatch.runtime.command_line`."""

from __future__ import annotations

import argparse
import logging
import sys

import pytest

from flipbatch.errors import FlipbatchError, InputError, OutputError
from flipbatch.runtime.command_line import (
    DONE,
    FAILED,
    TOO_MANY_ERRORS,
    WRONG_ARGUMENTS,
    add_frames,
    add_logging,
    at_least_one,
    at_least_zero,
    run,
    share,
)


@pytest.fixture
def parser():
    command = argparse.ArgumentParser(prog="score")
    add_frames(command)
    command.add_argument("--limit", type=at_least_one)
    command.add_argument("--min-delta", type=at_least_zero)
    command.add_argument("--threshold", type=share)
    add_logging(command)
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
def test_whole_numbers_from_one_on_are_taken(text):
    assert at_least_one(text) == int(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "nan", "inf"])
def test_what_is_no_whole_number_from_one_on_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is no whole number of at least 1$"):
        at_least_one(text)


@pytest.mark.parametrize("text", ["0", "0.001", "1e-3", "7"])
def test_numbers_from_zero_on_are_taken(text):
    assert at_least_zero(text) == float(text)


@pytest.mark.parametrize("text", ["-0.1", "little", "nan", "inf"])
def test_what_is_no_number_from_zero_on_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is no number of at least 0$"):
        at_least_zero(text)


@pytest.mark.parametrize("text", ["0", "0.05", "1"])
def test_shares_are_taken(text):
    assert share(text) == float(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "5%", "nan", "inf"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is no number from 0 to 1$"):
        share(text)


def test_a_job_that_is_done_exits_with_what_it_returns(parser, started_with):
    started_with("--frames", "/frames", "--limit", "7")
    assert run_main(parser, lambda arguments: DONE) == 0
    assert run_main(parser, lambda arguments: TOO_MANY_ERRORS) == 3
    assert run_main(parser, lambda arguments: arguments.limit) == 7


@pytest.mark.parametrize("error", [FlipbatchError("Stop."), InputError("Stop."), OutputError("Stop.")])
def test_an_error_for_a_person_is_one_line_and_exit_code_1(parser, started_with, capsys, error):
    started_with("--manifest", "m.csv")
    assert run_main(parser, fails_with(error)) == FAILED == 1
    assert capsys.readouterr().err == "error: Stop.\n"


def test_an_error_of_ours_keeps_its_traceback(parser, started_with):
    started_with("--frames", "/frames")
    with pytest.raises(ZeroDivisionError):
        run_main(parser, fails_with(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "one of the arguments --frames --manifest is required"),
        (["--frames", "a", "--manifest", "b"], "not allowed with argument --frames"),
        (["--frames", "a", "--limit", "none"], "argument --limit: 'none' is no whole number of at least 1"),
        (["--frames", "a", "--min-delta", "-1"], "argument --min-delta: '-1' is no number of at least 0"),
        (["--frames", "a", "--threshold", "50"], "argument --threshold: '50' is no number from 0 to 1"),
        (["--frames", "a", "--colour", "red"], "unrecognized arguments: --colour red"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_what(parser, started_with, capsys, arguments, complaint):
    started_with(*arguments)
    with pytest.raises(SystemExit) as stopped:
        run_main(parser, lambda _: DONE)
    assert stopped.value.code == WRONG_ARGUMENTS == 2
    assert complaint in capsys.readouterr().err


def test_help_names_both_ways_to_say_which_frames(parser, started_with, capsys):
    started_with("--help")
    with pytest.raises(SystemExit) as stopped:
        run_main(parser, lambda _: DONE)
    assert stopped.value.code == DONE
    text = capsys.readouterr().out
    assert "--frames URI" in text
    assert "--manifest URI" in text


def test_our_log_is_at_info_and_that_of_others_at_warning(parser, started_with):
    started_with("--frames", "/frames")
    run_main(parser, lambda _: DONE)
    assert logging.getLogger("flipbatch.scoring.job").isEnabledFor(logging.INFO)
    assert not logging.getLogger("somebody.else").isEnabledFor(logging.INFO)


def test_an_interruption_is_one_line_and_exit_code_1(parser, started_with, capsys):
    started_with("--frames", "/frames")

    def interrupted(_):
        raise KeyboardInterrupt

    assert run_main(parser, interrupted) == FAILED
    assert "Interrupted: what was finished is kept." in capsys.readouterr().err
