"""Render videos, score them, train both models, score again: a run of all of flipbatch that needs no data.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from flipbatch.errors import OutputError, WeightsError
from flipbatch.runtime.command_line import non_negative_integer
from flipbatch.runtime.standard_streams import show

log = logging.getLogger("flipbatch.demo")

VIDEOS_PER_SPLIT = {"training": 150, "testing": 25}
"""Of each class."""

FRAMES_PER_VIDEO = 5
VARIETY = 0.15
"""How much scenes differ, 0 to 1. So few scenes are enough for a network from scratch only if this is low."""

EPOCHS, PATIENCE = 18, 18
FROM_SCRATCH = (
    "ImageNet weights could not be downloaded: mobilenet_v2 is trained from scratch, on the demo's few "
    "frames. Expect a lower F1 than with ImageNet weights."
)


SUMMARY = "render videos, train, score and report, without any data"
DESCRIPTION = (
    "Render page-turning videos, score them with the models that come with flipbatch, train both models on "
    "them, score all frames with both, and print the results. Takes some minutes on 2 cores and needs no "
    "data. Uses ImageNet weights for mobilenet_v2 if it can download them, else trains it from scratch."
)
EPILOG = "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."
GO_ON = "The demo can't be continued: remove its directory, or choose another --out."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    command.add_argument(
        "--out", type=Path, default=Path("demo-out"), metavar="DIR", help="new directory (default: demo-out)"
    )
    command.add_argument(
        "--seed",
        type=non_negative_integer,
        default=0,
        metavar="N",
        help="random seed of videos and training (default: 0)",
    )


def _render(frames: Path, seed: int) -> None:
    """Render the videos, with a progress bar."""
    from tqdm import tqdm

    from flipbatch.synthetic.dataset import render_dataset

    with tqdm(desc="rendered", unit="frame", dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        render_dataset(
            frames,
            videos_per_split=VIDEOS_PER_SPLIT,
            frames_per_video=FRAMES_PER_VIDEO,
            seed=seed,
            variety=VARIETY,
            progress=show,
        )


def _weights() -> tuple[str, tuple[str, ...]]:
    """Return the initial weights of mobilenet_v2, and notes about them for the user."""
    from flipbatch.models.mobilenet_v2 import read_weights

    try:
        read_weights("imagenet")
    except WeightsError:
        log.warning("*** %s", FROM_SCRATCH)
        return "none", (FROM_SCRATCH,)
    return "imagenet", ()


def _train(out: Path, seed: int, weights: str, notes: tuple[str, ...]) -> None:
    from flipbatch.report.terminal import comparison_lines
    from flipbatch.report.training_page import write_training_report
    from flipbatch.tracking.tensorboard import TensorBoard
    from flipbatch.training.fit import Settings
    from flipbatch.training.job import train
    from flipbatch.training.options import TrainOptions

    settings = Settings(epochs=EPOCHS, patience=PATIENCE, seed=seed)
    options = TrainOptions(
        frames=str(out / "frames"), out=str(out / "train"), weights=weights, settings=settings, notes=notes
    )
    comparison = train(options, write_report=write_training_report, observers=[TensorBoard()])
    show(["", "Held-out videos (train/comparison.json):", *comparison_lines(comparison)])


def _score(frames: Path, models: tuple[str, ...], run: Path, title: str) -> None:
    """Score frames into a run directory, and print the results."""
    from flipbatch.report.page import write_report
    from flipbatch.report.terminal import summary_lines
    from flipbatch.scoring.job import ScoreOptions, score

    metrics = score(ScoreOptions(frames=str(frames), models=models, out=str(run)), write_report)
    show(["", title, *summary_lines(metrics)])


def _shipped_models() -> tuple[str, ...]:
    """Return the models that come with flipbatch, as ``--model`` takes them."""
    from flipbatch.models.pretrained import PREFIX, pretrained_names

    return tuple(f"{PREFIX}{name}" for name in pretrained_names())


def _trained_models(out: Path) -> tuple[str, ...]:
    """Return the bundles that the demo has trained."""
    from flipbatch import storage
    from flipbatch.storage.system_names import is_stray

    folder = str(out / "train" / "models")
    return tuple(storage.join(folder, name) for name in storage.names_in(folder) if not is_stray(name))


def _where(out: Path) -> list[str]:
    """Return the path and content of each output, one line per output."""
    places = {
        "frames": "the rendered frames",
        "shipped/report.html": "the report of the models that come with flipbatch",
        "train/comparison.json": "both models on held-out videos",
        "train/report.html": "curves, measures and mistakes of both models",
        "train/tensorboard": "the curves of both models for TensorBoard",
        "train/models": "the model bundles",
        "score/predictions": "one row per frame and model",
        "score/videos": "one row per video and model",
        "score/metrics.json": "F1 over frames, over videos, per video",
        "score/report.html": "the report for the browser",
    }
    return [f"  {out / place}: {what}" for place, what in places.items()]


def main(arguments: argparse.Namespace) -> int:
    """Run the demo; return the exit code."""
    from flipbatch import storage
    from flipbatch.runtime.ray_connection import connected
    from flipbatch.runtime.submitted_job import refuse_relative
    from flipbatch.storage.system_names import is_stray

    refuse_relative(out=str(arguments.out))
    out: Path = arguments.out.absolute()
    if not all(map(is_stray, storage.names_in(str(out)))):
        raise OutputError(f"{out} is not empty: choose another --out, or remove it.")
    _render(out / "frames", arguments.seed)
    weights, notes = _weights()
    with connected():
        _score(
            out / "frames",
            _shipped_models(),
            out / "shipped",
            "The models that come with flipbatch, before any training (shipped/metrics.json):",
        )
        _train(out, arguments.seed, weights, notes)
        _score(
            out / "frames",
            _trained_models(out),
            out / "score",
            "All frames, those of training too (score/metrics.json):",
        )
    show(["", "Written:", *_where(out)])
    for note in notes:
        log.warning("*** %s", note)
    return 0
