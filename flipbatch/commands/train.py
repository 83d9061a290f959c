"""Train cnn_model and mobilenet_v2 on labelled frames; compare or cross-validate them.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from flipbatch.runtime.command_line import (
    add_frames,
    add_thumbnails,
    fraction,
    non_negative_integer,
    non_negative_number,
    positive_integer,
)

if TYPE_CHECKING:
    from flipbatch.training.folds import FoldPlan
    from flipbatch.training.options import TrainOptions

SUMMARY = "train models on labelled frames, on Ray or in this process"
DESCRIPTION = (
    "Train models that predict from one frame whether a page is being flipped, on Ray Train or in this "
    "process, and compare them by F1 on held-out groups of videos. The manifest's column group names the "
    "group: a book, a place or a recording. By default it is the VideoID without its label folder. Splits "
    "made here never divide a group. The best model is chosen on validation."
)
EPILOG = (
    "Writes run.json, models/NAME/, test_videos/NAME.parquet, test_frames/NAME.parquet, comparison.json, "
    "report.html, tensorboard/, splits.parquet, misnamed.parquet, failures.parquet if some frames can't be "
    "decoded, and _SUCCESS last. With --folds or --leave-one-out, models/, test_videos/, test_frames/ and "
    "splits.parquet are below folds/NN/, and folds.json replaces comparison.json. "
    "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."
)
GO_ON = "The same command with --resume continues after the last finished epoch."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_frames(command)
    command.add_argument(
        "--out", required=True, metavar="URI", help="new directory for bundles and the comparison"
    )
    _add_models(command)
    _add_rendered_share(command)
    _add_early_stopping(command)
    _add_folds(command)
    _add_execution(command)
    add_thumbnails(command)
    _add_tracking(command)
    command.add_argument("--resume", action="store_true", help="resume the run in --out")
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="print the splits, the settings and what is doubtful about them, and write nothing",
    )


def _add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--models",
        nargs="+",
        choices=("cnn_model", "mobilenet_v2"),
        metavar="NAME",
        default=["cnn_model", "mobilenet_v2"],
        help="models to train: cnn_model, mobilenet_v2 (default: both)",
    )
    command.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|URI|pretrained[:NAME]",
        help="what models start from. For mobilenet_v2 alone: imagenet (torchvision's weights, downloaded), "
        "none, or the URI of a .safetensors or .pth file; cnn_model then starts from random weights. "
        "pretrained: each model is fine-tuned from the bundle of its name that comes with flipbatch; "
        "pretrained:NAME: the model of this one bundle is (default: imagenet)",
    )


def _add_rendered_share(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--rendered-share",
        type=fraction,
        default=0.0,
        metavar="X",
        help="share of rendered frames among the training frames, 0 to 0.95: they show what a few books do "
        "not (default: 0)",
    )


def _add_early_stopping(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--epochs",
        type=positive_integer,
        default=40,
        metavar="N",
        help="maximum number of epochs per model (default: 40)",
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
        help="minimum decrease of the validation loss that counts as lower (default: 0)",
    )


def _add_folds(command: argparse.ArgumentParser) -> None:
    plan = command.add_mutually_exclusive_group()
    plan.add_argument(
        "--folds",
        type=_folds,
        metavar="K",
        help="cross-validate: divide the groups into K folds, at least 2, stratified by label; train on all "
        "but one and test on that one, K times; supplied splits are ignored (default: no folds)",
    )
    plan.add_argument(
        "--leave-one-out",
        action="store_true",
        help="cross-validate: hold out one group at a time; supplied splits are ignored",
    )


def _folds(text: str) -> int:
    """Parse an integer of at least 2."""
    value = positive_integer(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer ≥ 2")
    return value


def _add_execution(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--executor",
        choices=("ray", "local"),
        default="ray",
        help="where to train: on Ray, or in this process without Ray, with one worker (default: ray)",
    )
    command.add_argument(
        "--workers",
        type=positive_integer,
        default=1,
        metavar="N",
        help="number of Ray Train workers; each trains on at least 16 frames per step if BatchNorm is "
        "trained (default: 1)",
    )
    command.add_argument("--gpu", action="store_true", help="give each worker a GPU")
    command.add_argument(
        "--seed",
        type=non_negative_integer,
        default=0,
        metavar="N",
        help="random seed of splits, folds, weights and augmentation; on CPUs the same seed gives the same "
        "weights (default: 0)",
    )


def _add_tracking(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tracking",
        choices=("mlflow",),
        help="also record parameters, metrics of each epoch, bundles and the report on an MLflow server, and "
        "register the models there (TensorBoard files are always written)",
    )
    command.add_argument(
        "--tracking-uri", metavar="URI", help="of the MLflow server (default: MLFLOW_TRACKING_URI)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from flipbatch.errors import redacted
    from flipbatch.report.terminal import comparison_lines, folds_lines
    from flipbatch.report.training_page import write_training_report
    from flipbatch.runtime.standard_streams import show
    from flipbatch.tracking.observers import observers
    from flipbatch.training.job import dry_run, train

    options = _options(arguments)
    if arguments.dry_run:
        show(dry_run(options))
        return 0
    write_report = partial(write_training_report, number_of_thumbnails=arguments.report_thumbnails)
    told = observers(arguments.tracking, arguments.tracking_uri, arguments.report_thumbnails)
    result = train(options, write_report=write_report, observers=told)
    lines = comparison_lines(result) if options.folds is None else folds_lines(result)
    show([*lines, f"written to {redacted(arguments.out)}"])
    return 0


def _options(arguments: argparse.Namespace) -> TrainOptions:
    from flipbatch.runtime.submitted_job import refuse_relative
    from flipbatch.training.fit import Settings
    from flipbatch.training.options import TrainOptions
    from flipbatch.training.start import is_file

    refuse_relative(frames=arguments.frames, manifest=arguments.manifest, out=arguments.out)
    if is_file(arguments.weights):
        refuse_relative(weights=arguments.weights)
    return TrainOptions(
        frames=arguments.frames,
        manifest=arguments.manifest,
        out=arguments.out,
        models=tuple(dict.fromkeys(arguments.models)),
        weights=arguments.weights,
        settings=Settings(
            epochs=arguments.epochs,
            patience=arguments.patience,
            min_delta=arguments.min_delta,
            seed=arguments.seed,
            rendered_share=arguments.rendered_share,
        ),
        folds=_plan(arguments),
        executor=arguments.executor,
        workers=arguments.workers,
        gpu=arguments.gpu,
        resume=arguments.resume,
    )


def _plan(arguments: argparse.Namespace) -> FoldPlan | None:
    from flipbatch.training.folds import FoldPlan

    return FoldPlan(arguments.folds) if arguments.folds or arguments.leave_one_out else None
