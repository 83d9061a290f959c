"""The benchmark command: measure frames/s of each stage, of the whole job and of baselines.

Parses, calls the library and prints. The last line is one JSON object.
"""

from __future__ import annotations

import argparse

from flipbatch.runtime.command_line import add_frames, positive_integer

SUMMARY = "measure frames per second, stage by stage and end to end"
DESCRIPTION = (
    "Measure frames/s of reading, decoding, each model, the whole job and baselines on the same frames and "
    "cores. Prints a table, then one JSON object as the last line (rates: frames/s; memory_mb: MiB, or bytes "
    "if the name says so). Nothing else should run on the machine."
)
EPILOG = "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."
GO_ON = "Nothing was written: the same command measures again."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_frames(command)
    command.add_argument(
        "--films", metavar="URI", help="films to measure with as well: a film, a directory or a glob pattern"
    )
    command.add_argument(
        "--model",
        nargs="+",
        default=[],
        metavar="[NAME=]URI",
        help="bundles to measure with, pretrained:NAME too (default: untrained bundles of all architectures)",
    )
    command.add_argument(
        "--repeats", type=positive_integer, default=3, metavar="N", help="number of repeats (default: 3)"
    )
    command.add_argument(
        "--shards",
        type=positive_integer,
        default=100,
        metavar="N",
        help="number of shards of 256 frames to measure the job with; frames are repeated (default: 100)",
    )
    command.add_argument(
        "--sample",
        type=positive_integer,
        default=384,
        metavar="N",
        help="number of frames to measure slow baselines with (default: 384)",
    )
    command.add_argument(
        "--baselines",
        nargs="+",
        choices=["daft"],
        default=[],
        help="other software to measure, if it is installed",
    )
    # The old name of --baselines.
    command.add_argument("--peers", nargs="+", choices=["daft"], dest="baselines", help=argparse.SUPPRESS)
    command.add_argument(
        "--scale",
        action="store_true",
        help="also measure 1,000 to 100,000 frames, and a million empty files (15 min)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Measure; return the exit code."""
    from flipbatch.benchmark.job import BenchmarkOptions, benchmark

    options = BenchmarkOptions(
        frames=arguments.frames,
        manifest=arguments.manifest,
        models=tuple(arguments.model),
        repeats=arguments.repeats,
        shards=arguments.shards,
        sample=arguments.sample,
        baselines=tuple(arguments.baselines),
        scale=arguments.scale,
        films=arguments.films,
    )
    for line in benchmark(options):
        print(line)
    return 0
