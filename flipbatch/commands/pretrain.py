"""Train networks on rendered frames: the command that makes the bundles that come with flipbatch.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from flipbatch.runtime.command_line import fraction, non_negative_integer, positive_integer

SUMMARY = "train networks on rendered frames alone, as the bundles that come with flipbatch"
DESCRIPTION = (
    "Train mobilenet_v2 on an endless stream of rendered frames, and cnn_model on its outputs for 20,000 "
    "of them, without any data. This makes the bundles that come with flipbatch. Takes an hour or two on 2 "
    "cores and 6 GB of memory. A GPU is used if there is one."
)
EPILOG = (
    "Writes run.json, checkpoints/, stops/STEP/NAME/ (bundles of each report), models/NAME/, _SUCCESS last. "
    "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."
)
GO_ON = "The same command with --resume continues from the last checkpoint."
MODELS = ("cnn_model", "mobilenet_v2")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    command.add_argument("--out", required=True, metavar="URI", help="new directory for the bundles")
    command.add_argument(
        "--models",
        nargs="+",
        choices=MODELS,
        default=list(MODELS),
        metavar="NAME",
        help="networks to train: mobilenet_v2, and cnn_model, which imitates it (default: both)",
    )
    command.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|URI",
        help="what mobilenet_v2 starts from: imagenet (torchvision's weights, downloaded), none, or the URI "
        "of a .safetensors or .pth file; cnn_model starts from random weights (default: imagenet)",
    )
    command.add_argument(
        "--teacher",
        metavar="URI",
        help="bundle that cnn_model imitates (default: mobilenet_v2 of this run at its last step, or else "
        "pretrained:mobilenet_v2)",
    )
    command.add_argument(
        "--steps",
        type=positive_integer,
        metavar="N",
        help="number of training steps of each network, of 64 frames each (default: those of the shipped "
        "bundles)",
    )
    command.add_argument(
        "--stops",
        nargs="+",
        type=_stop,
        default=[],
        metavar="NAME=STEP",
        help="step whose weights a model gets: one in OUT/stops. With --resume, a finished run gets it "
        "without being trained again (default: the last)",
    )
    command.add_argument(
        "--thresholds",
        nargs="+",
        type=_threshold,
        default=[],
        metavar="NAME=X",
        help="probability at which a model says flip. With --resume, a finished run gets it without being "
        "trained again (default: 0.5)",
    )
    command.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="INGREDIENT",
        help="ingredients of scenes to leave out, as flipbatch/synthetic/mix.py names them, to see what they "
        "are good for",
    )
    command.add_argument(
        "--seed",
        type=non_negative_integer,
        default=0,
        metavar="N",
        help="random seed of frames, weights and augmentation (default: 0)",
    )
    command.add_argument(
        "--processes",
        type=positive_integer,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="number of processes that render; the other cores train (default: half of the cores)",
    )
    command.add_argument("--resume", action="store_true", help="resume the run in --out")


def _stop(text: str) -> tuple[str, int]:
    """Parse the name of a model and a step."""
    name, number = _named(text)
    return name, positive_integer(number)


def _threshold(text: str) -> tuple[str, float]:
    """Parse the name of a model and a number from 0 to 1."""
    name, number = _named(text)
    return name, fraction(number)


def _named(text: str) -> tuple[str, str]:
    """Return the name of a model and what is said of it."""
    name, _, value = text.partition("=")
    if name not in MODELS:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=X with one of {', '.join(MODELS)}")
    return name, value


def main(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from flipbatch.errors import redacted
    from flipbatch.pretraining.job import PretrainOptions, pretrain
    from flipbatch.runtime.standard_streams import show
    from flipbatch.runtime.submitted_job import refuse_relative
    from flipbatch.training.start import is_file

    refuse_relative(out=arguments.out)
    for name in ("weights", "teacher"):
        value = getattr(arguments, name)
        if value is not None and is_file(value):
            refuse_relative(**{name: value})
    options = PretrainOptions(
        out=arguments.out,
        models=tuple(dict.fromkeys(arguments.models)),
        weights=arguments.weights,
        teacher=arguments.teacher,
        steps=arguments.steps,
        seed=arguments.seed,
        without=tuple(arguments.without),
        stops=dict(arguments.stops),
        thresholds=dict(arguments.thresholds),
        processes=arguments.processes,
        threads=max(1, (os.cpu_count() or 1) - arguments.processes),
        resume=arguments.resume,
    )
    metrics = pretrain(options)
    show(["On rendered frames of other places:", *map(_line, metrics, metrics.values())])
    show([f"written to {redacted(arguments.out)}"])
    return 0


def _line(name: str, rendered: dict[str, Any]) -> str:
    return (
        f"  {name:<12}  AUC {rendered['auc']:.3f}, balanced accuracy {rendered['balanced_accuracy']:.3f}, "
        f"F1 {rendered['f1'] or 0:.3f}"
    )
