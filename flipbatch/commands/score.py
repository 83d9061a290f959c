"""Score the frames of a directory with one or more models, into Parquet.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from flipbatch.runtime.command_line import (
    DONE,
    add_frames,
    add_thinning,
    add_thumbnails,
    exit_code,
    fraction,
    positive_integer,
)
from flipbatch.runtime.standard_streams import show

if TYPE_CHECKING:
    from flipbatch.scoring.job import ScoreOptions

SUMMARY = "predict every frame of a directory, on Ray or in this process"
DESCRIPTION = (
    "Predict for every frame whether a page is being flipped, on Ray Data or in this process; write "
    "predictions, one row per video and F1 as Parquet and JSON. The same command resumes an interrupted run."
)
EPILOG = (
    "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments, 3 finished, "
    "but more frames failed than --max-error-rate allows."
)
GO_ON = "The same command resumes the run."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_frames(command)
    command.add_argument(
        "--model",
        nargs="+",
        required=True,
        metavar="[NAME=]URI",
        help="model bundles of `flipbatch train`, OUT/models/NAME, or pretrained:cnn_model, "
        "pretrained:mobilenet_v2, which come with flipbatch; NAME=URI renames one in the tables",
    )
    command.add_argument(
        "--out", required=True, metavar="URI", help="directory of the run: a new one, or one to resume"
    )
    add_thinning(command)
    command.add_argument("--limit", type=positive_integer, metavar="N", help="score the first N frames only")
    command.add_argument(
        "--max-error-rate",
        type=fraction,
        default=0.05,
        metavar="X",
        help="share of frames, 0 to 1, that may fail before the exit code is 3 (default: 0.05)",
    )
    command.add_argument(
        "--threshold",
        type=fraction,
        metavar="X",
        help="lowest probability that is predicted as flip, 0 to 1 (default: each bundle's own threshold)",
    )
    command.add_argument(
        "--adapt",
        action="store_true",
        help="shift the logits of each place (a directory, or a group of the manifest) by an offset that a "
        "first pass estimates, without labels, from some of its frames; a frame's probability then depends "
        "on the other frames of its place (default: on that frame alone)",
    )
    command.add_argument(
        "--append",
        action="store_true",
        help="list the frames of a finished run anew, and score only those that it does not have; the tables "
        "are then those of one run over all frames that are there now",
    )
    command.add_argument(
        "--retry-errors",
        action="store_true",
        help="read again only the frames of the run that were missing or unreadable",
    )
    command.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")
    command.add_argument("--gpu", action="store_true", help="predict on GPUs, decode on CPUs")
    command.add_argument(
        "--executor",
        choices=("ray", "local"),
        default="ray",
        help="ray: all CPUs or GPUs of a cluster, or of this machine; local: one core in this process, which "
        "starts quickly and suits a few hundred frames. Both write the same files, and each can resume a run "
        "of the other (default: ray)",
    )
    command.add_argument(
        "--allow-mixed-engines",
        action="store_true",
        help="resume a run even if its other frames were scored with another device, precision or version; "
        "probabilities differ by some thousandths (default: refuse)",
    )
    add_thumbnails(command)


def main(arguments: argparse.Namespace) -> int:
    """Score; return the exit code."""
    from flipbatch.errors import redacted
    from flipbatch.report.page import write_report
    from flipbatch.report.terminal import error_rate, summary_lines
    from flipbatch.scoring.dry_run import dry_run
    from flipbatch.scoring.job import score

    _refuse_relative_paths(arguments)
    options = _options(arguments)
    if arguments.dry_run:
        show(dry_run(options))
        return DONE
    metrics = score(options, partial(write_report, number_of_thumbnails=arguments.report_thumbnails))
    show([*summary_lines(metrics), f"written to {redacted(arguments.out)}"])
    where = "status and error in predictions/"
    return exit_code(error_rate(metrics), arguments.max_error_rate, where)


def _refuse_relative_paths(arguments: argparse.Namespace) -> None:
    from flipbatch.models.pretrained import is_pretrained
    from flipbatch.runtime.submitted_job import refuse_relative
    from flipbatch.scoring.models import name_and_uri

    refuse_relative(frames=arguments.frames, manifest=arguments.manifest, out=arguments.out)
    uris = [name_and_uri(model)[1] for model in arguments.model]
    for uri in uris:
        refuse_relative(model=None if is_pretrained(uri) else uri)


def _options(arguments: argparse.Namespace) -> ScoreOptions:
    from flipbatch.frames.film_rows import Thinning
    from flipbatch.scoring.job import ScoreOptions

    return ScoreOptions(
        models=tuple(arguments.model),
        out=arguments.out,
        frames=arguments.frames,
        manifest=arguments.manifest,
        limit=arguments.limit,
        threshold=arguments.threshold,
        gpu=arguments.gpu,
        retry_errors=arguments.retry_errors,
        executor=arguments.executor,
        allow_mixed_engines=arguments.allow_mixed_engines,
        adapt=arguments.adapt,
        thinning=Thinning(arguments.every, arguments.fps),
        append=arguments.append,
    )
