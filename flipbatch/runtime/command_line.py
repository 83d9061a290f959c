"""All commands share this: common arguments, logging, and errors as one sentence with an exit code.

Knows argparse and exit codes; knows no job.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Sequence

from flipbatch.errors import FlipbatchError, printable, redacted
from flipbatch.runtime.config_file import add_config, parse_with_config
from flipbatch.runtime.error_text import one_line
from flipbatch.runtime.interruption import Interruption
from flipbatch.runtime.standard_streams import fitted, secure_standard_streams

log = logging.getLogger(__name__)

DONE, FAILED, WRONG_ARGUMENTS, TOO_MANY_ERRORS = 0, 1, 2, 3


def add_frames(command: argparse.ArgumentParser) -> None:
    """Add ``--frames`` and ``--manifest``: exactly one of them must be given."""
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--frames",
        metavar="URI",
        help="directory of frames or films (MP4, MOV, WebM, MKV), with all directories below it, a glob "
        "pattern or one file: a path, s3://BUCKET/PREFIX or any fsspec URI",
    )
    source.add_argument(
        "--manifest",
        metavar="URI",
        help="table of frames in Parquet or CSV, or a directory of such files: column uri (a frame "
        "of a film: FILM#frame=N), and optionally video_id, frame_number, label, split, which otherwise come "
        "from the path, and group (default: the video's id without its label folder)",
    )


def add_thumbnails(command: argparse.ArgumentParser) -> None:
    """Add the argument that says how many frames a report shows."""
    command.add_argument(
        "--report-thumbnails",
        type=non_negative_integer,
        default=24,
        metavar="N",
        help="number of frames per model that report.html shows, half of them missed flips and half false "
        "ones, read again at the end; all models together show at most 100; 0 shows none (default: 24)",
    )


def add_thinning(command: argparse.ArgumentParser) -> None:
    """Add ``--every`` and ``--fps``, of which at most one may be given."""
    thinning = command.add_mutually_exclusive_group()
    thinning.add_argument(
        "--every",
        type=positive_integer,
        metavar="N",
        help="of films, read every Nth frame only (default: all)",
    )
    thinning.add_argument(
        "--fps",
        type=positive_number,
        metavar="X",
        help="of films, read at most X frames per second, the first of each 1/X s (default: all)",
    )


def positive_integer(text: str) -> int:
    """Parse an integer ≥ 1."""
    value = _number(text)
    if value < 1 or not value.is_integer():
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer ≥ 1")
    return int(value)


def non_negative_integer(text: str) -> int:
    """Parse an integer ≥ 0."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer ≥ 0")
    return value


def non_negative_number(text: str) -> float:
    """Parse a finite number ≥ 0."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number ≥ 0")
    return value


def positive_number(text: str) -> float:
    """Parse a finite number > 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number > 0")
    return value


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _number(text: str) -> float:
    """Parse a number; other text becomes NaN, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


class RedactingFormatter(logging.Formatter):
    """Formats log records, tracebacks included, without credentials, and fitted to standard error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, redacted and fitted."""
        return fitted(redacted(super().format(record)), sys.stderr)


def add_common(command: argparse.ArgumentParser) -> None:
    """Add ``--config``, and ``-v`` and ``-q``, which say how much a command logs."""
    add_config(command)
    amount = command.add_mutually_exclusive_group()
    amount.add_argument(
        "-v", "--verbose", action="store_true", help="log more details, and tracebacks of errors"
    )
    amount.add_argument("-q", "--quiet", action="store_true", help="log warnings and errors only")


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, call the subcommand's ``main``, and return the exit code.

    Parameters
    ----------
    parser : ArgumentParser
        Its subcommands have the arguments of `add_common`, and set ``main``, a function that takes the parsed
        arguments and returns the exit code, and ``go_on``, a sentence for somebody who has interrupted it.
    arguments : sequence of str, optional
        Default: those of the process.
    """
    secure_standard_streams()
    try:
        parsed = parse_with_config(parser, sys.argv[1:] if arguments is None else arguments)
    except FlipbatchError as error:
        print_error(str(error))
        return WRONG_ARGUMENTS
    _start_logging(parsed)
    with Interruption(lambda: _print_interrupted(parsed.go_on), FAILED) as interruption:
        return _exit_code(parsed, interruption)


def _exit_code(parsed: argparse.Namespace, interruption: Interruption) -> int:
    """Call ``main``; print an error as one sentence, and log its traceback as a detail."""
    try:
        return parsed.main(parsed)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        log.debug("The traceback of the error:", exc_info=True)
        if isinstance(error, KeyboardInterrupt) or interruption.has_come():
            interruption.say_last_words()
        elif isinstance(error, SystemExit):
            raise
        else:
            print_error(_sentence(error, parsed.verbose))
        return FAILED


def _print_interrupted(go_on: str) -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)  # the line has a progress bar, or ^C
    print_error(f"Interrupted. {go_on}")


def _sentence(error: BaseException, traceback_shown: bool) -> str:
    """Return the sentence for an error: for the user's, its own."""
    if isinstance(error, FlipbatchError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error.msg} for {sys.executable}: install flipbatch there, by `uv sync` or `pip install .`."
    traceback = "the traceback is above" if traceback_shown else "-v shows the traceback"
    what = ": ".join(filter(None, [type(error).__name__, one_line(error)]))
    return printable(redacted(f"{what}. This is a fault of flipbatch: please report it; {traceback}."))


def exit_code(share: float, max_error_rate: float, where: str) -> int:
    """Return the exit code for a share of failed frames, 0 to 1; print why it is not 0, and where to look."""
    if share <= max_error_rate:
        return DONE
    print_error(
        f"{share:.1%} of the frames failed, more than --max-error-rate {max_error_rate:.1%}: see {where}."
    )
    return TOO_MANY_ERRORS


def print_error(sentence: str) -> None:
    """Print why the exit code is not 0."""
    print(fitted(f"error: {sentence}", sys.stderr), file=sys.stderr)


def _start_logging(parsed: argparse.Namespace) -> None:
    """Log to standard error; lines carry the time unless standard error is a terminal."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    text = "%(message)s" if sys.stderr.isatty() else "%(asctime)s %(message)s"
    for handler in logging.getLogger().handlers:
        handler.setFormatter(RedactingFormatter(text))
    level = logging.DEBUG if parsed.verbose else logging.WARNING if parsed.quiet else logging.INFO
    logging.getLogger("flipbatch").setLevel(level)
