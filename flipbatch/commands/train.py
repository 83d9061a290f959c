"""Train cnn_model and mobilenet_v2 on labelled frames, and compare them by F1.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse

from flipbatch.runtime.command_line import (
    add_frames,
    non_negative_integer,
    non_negative_number,
    positive_integer,
)

SUMMARY = "train models on labelled frames, on Ray Train"
DESCRIPTION = (
    "Train models that tell from one frame whether a page is being flipped, on Ray Train, "
    "and compare them by F1 on held-out videos."
)
EPILOG = "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_frames(command)
    command.add_argument(
        "--out", required=True, metavar="URI", help="new directory for bundles and the comparison"
    )
    command.add_argument(
        "--models",
        nargs="+",
        choices=("cnn_model", "mobilenet_v2"),
        default=["cnn_model", "mobilenet_v2"],
        help="models to train (default: both)",
    )
    command.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|URI",
        help="what mobilenet_v2 starts from: torchvision's ImageNet weights, downloaded; nothing; or a "
        ".safetensors or .pth file (default: imagenet)",
    )
    command.add_argument(
        "--epochs", type=positive_integer, default=40, metavar="N", help="most epochs a model (default: 40)"
    )
    command.add_argument(
        "--patience",
        type=positive_integer,
        default=8,
        metavar="N",
        help="stop after N epochs in a row without a lower validation loss (default: 8)",
    )
    command.add_argument(
        "--min-delta",
        type=non_negative_number,
        default=0.0,
        metavar="X",
        help="by how much the validation loss must fall to count as lower (default: 0)",
    )
    command.add_argument(
        "--workers", type=positive_integer, default=1, metavar="N", help="Ray Train workers (default: 1)"
    )
    command.add_argument("--gpu", action="store_true", help="give each worker a GPU")
    command.add_argument(
        "--seed", type=non_negative_integer, default=0, metavar="N", help="a CPU run repeats (default: 0)"
    )
    command.add_argument("--resume", action="store_true", help="go on with the run that --out holds")


def main(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from flipbatch.errors import redacted
    from flipbatch.report.terminal import comparison_lines
    from flipbatch.runtime.ray_connection import connected
    from flipbatch.runtime.submitted_job import refuse_relative
    from flipbatch.training.fit import Settings
    from flipbatch.training.job import TrainOptions, train

    refuse_relative(frames=arguments.frames, manifest=arguments.manifest, out=arguments.out)
    if arguments.weights not in ("imagenet", "none"):
        refuse_relative(weights=arguments.weights)
    options = TrainOptions(
        frames=arguments.frames,
        manifest=arguments.manifest,
        out=arguments.out,
        models=tuple(dict.fromkeys(arguments.models)),
        weights=arguments.weights,
        settings=Settings(arguments.epochs, arguments.patience, arguments.min_delta, arguments.seed),
        workers=arguments.workers,
        gpu=arguments.gpu,
        resume=arguments.resume,
    )
    with connected():
        comparison = train(options)
    print("\n".join(comparison_lines(comparison)))
    print(f"written to {redacted(arguments.out)}")
    return 0
