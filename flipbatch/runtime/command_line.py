"""What all commands share: arguments, logging, and errors as one sentence with an exit code.

Knows argparse and exit codes; knows no job.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Sequence

from flipbatch.errors import FlipbatchError, redacted

DONE, FAILED, WRONG_ARGUMENTS, TOO_MANY_ERRORS = 0, 1, 2, 3


def add_frames(command: argparse.ArgumentParser) -> None:
    """Add the two ways to say which frames: exactly one must be given."""
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--frames",
        metavar="URI",
        help="directory of frames, taken with all below it, or a glob pattern: a path, s3://BUCKET/PREFIX or "
        "any fsspec URI",
    )
    source.add_argument(
        "--manifest",
        metavar="URI",
        help="table of frames in Parquet or CSV: column uri, and where the path does not say them video_id, "
        "frame_number, label, split",
    )


def at_least_one(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = _number(text)
    if value < 1 or not value.is_integer():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(value)


def whole_number(text: str) -> int:
    """Parse a whole number of at least 0."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 0")
    return value


def at_least_zero(text: str) -> float:
    """Parse a finite number of at least 0."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return value


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def _number(text: str) -> float:
    """Parse a number; what is none becomes NaN, which no range holds."""
    try:
        return float(text)
    except ValueError:
        return math.nan


class Redacting(logging.Formatter):
    """Leaves credentials out of what is logged, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return redacted(super().format(record))


def add_logging(command: argparse.ArgumentParser) -> None:
    """Add how much a command logs: ``-v`` or ``-q``."""
    amount = command.add_mutually_exclusive_group()
    amount.add_argument("-v", "--verbose", action="store_true", help="log more, for finding faults")
    amount.add_argument("-q", "--quiet", action="store_true", help="log warnings and errors only")


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Parse, call the subcommand's ``main``, and return the exit code.

    Parameters
    ----------
    parser : ArgumentParser
        Its subcommands set ``main``, a function that takes the parsed arguments.
    arguments : sequence of str, optional
        By default those of the process.
    """
    parsed = parser.parse_args(arguments)
    _start_logging(parsed)
    try:
        return parsed.main(parsed)
    except FlipbatchError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("error: Interrupted: what was finished is kept.", file=sys.stderr)
        return FAILED


def _start_logging(parsed: argparse.Namespace) -> None:
    """Log to standard error; lines of a log file have their time, lines on a terminal do not."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    text = "%(message)s" if sys.stderr.isatty() else "%(asctime)s %(message)s"
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Redacting(text))
    level = logging.DEBUG if parsed.verbose else logging.WARNING if parsed.quiet else logging.INFO
    logging.getLogger("flipbatch").setLevel(level)
