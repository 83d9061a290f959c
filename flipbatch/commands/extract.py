"""Write the frames of films, or the stills of a scoring run, as image files.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse
import os

from flipbatch.runtime.command_line import (
    add_thinning,
    exit_code,
    fraction,
    positive_integer,
)
from flipbatch.runtime.standard_streams import show

SUMMARY = "write frames of films, or the stills of a scoring run, as image files"
DESCRIPTION = (
    "Write the frames of films as JPEGs named VideoID_FrameNumber.jpg, as training reads them, or the frames "
    "to keep that a scoring run has found. Images are copied as they are. Files that are there stay: the "
    "same command resumes an interrupted one. OUT/.flipbatch/failures.parquet lists what can't be decoded."
)
EPILOG = (
    "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments, 3 finished, but more "
    "frames failed than --max-error-rate allows."
)

GO_ON = "Files that were written are kept: the same command goes on where it stopped."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--frames", metavar="URI", help="a film, a directory of films, or a glob pattern")
    what.add_argument("--manifest", metavar="URI", help="table of films, or of their frames (FILM#frame=N)")
    what.add_argument("--stills", metavar="RUN", help="directory of a finished scoring run: its stills")
    command.add_argument("--out", required=True, metavar="URI", help="directory that files are written to")
    command.add_argument(
        "--model", metavar="NAME", help="with --stills: of which model, if there are several"
    )
    add_thinning(command)
    command.add_argument(
        "--quality", type=_quality, default=95, metavar="Q", help="of JPEGs, 1 to 100 (default: 95)"
    )
    command.add_argument(
        "--processes",
        type=positive_integer,
        default=os.cpu_count() or 1,
        metavar="N",
        help="number of processes (default: one per core)",
    )
    command.add_argument(
        "--max-error-rate",
        type=fraction,
        default=0.05,
        metavar="X",
        help="share of frames, 0 to 1, that may fail before the exit code is 3 (default: 0.05)",
    )


def _quality(text: str) -> int:
    value = positive_integer(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 to 100")
    return value


def main(arguments: argparse.Namespace) -> int:
    """Extract; return the exit code."""
    from flipbatch.errors import redacted
    from flipbatch.extraction.job import ExtractOptions, extract
    from flipbatch.frames.film_rows import Thinning
    from flipbatch.runtime.submitted_job import refuse_relative
    from flipbatch.runtime.wording import counted

    refuse_relative(
        frames=arguments.frames,
        manifest=arguments.manifest,
        stills=arguments.stills,
        out=arguments.out,
    )
    options = ExtractOptions(
        out=arguments.out,
        frames=arguments.frames,
        manifest=arguments.manifest,
        stills=arguments.stills,
        model=arguments.model,
        thinning=Thinning(arguments.every, arguments.fps),
        quality=arguments.quality,
        processes=arguments.processes,
    )
    done = extract(options)
    there = done.frames - done.written - len(done.failures)
    show(
        [
            f"{done.written:,} of {counted(done.frames, 'frame')} written, {there:,} were there, "
            f"{len(done.failures):,} failed",
            f"written to {redacted(arguments.out)}",
        ]
    )
    share = len(done.failures) / max(1, done.frames)
    return exit_code(share, arguments.max_error_rate, ".flipbatch/failures.parquet")
