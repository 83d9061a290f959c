"""Measure how fast frames are scored, stage by stage and as a whole, beside what one would otherwise write.

Parses, calls the library and prints; the last line is one JSON object.
"""

from __future__ import annotations

import argparse

from flipbatch.runtime.command_line import add_frames, positive_integer

SUMMARY = "measure frames per second, stage by stage and end to end"
DESCRIPTION = (
    "Measure frames a second of reading, decoding, each model, the whole job, and baselines on "
    "the same frames and cores: a table, then one JSON object as the last line (rates: frames/s; "
    "memory_mb: MiB, or bytes where so named). Nothing else should run on the machine."
)
EPILOG = "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_frames(command)
    command.add_argument(
        "--model",
        nargs="+",
        default=[],
        metavar="[NAME=]URI",
        help="bundles to measure with (default: untrained networks of the shipped shapes)",
    )
    command.add_argument(
        "--repeats",
        type=positive_integer,
        default=3,
        metavar="N",
        help="how often each is measured (default: 3)",
    )
    command.add_argument(
        "--shards",
        type=positive_integer,
        default=100,
        metavar="N",
        help="shards of 256 frames that the job is measured over; frames repeat to fill them (default: 100)",
    )
    command.add_argument(
        "--sample",
        type=positive_integer,
        default=384,
        metavar="N",
        help="frames that slow baselines are measured over (default: 384)",
    )
    command.add_argument(
        "--baselines", nargs="+", choices=["daft"], default=[], help="other software to measure, if installed"
    )
    command.add_argument(
        "--scale",
        action="store_true",
        help="measure 1,000 to 100,000 frames, and listing and scoring a million empty files, too (15 min)",
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
    )
    for line in benchmark(options):
        print(line)
    return 0
