"""How long training would take: a few frames are decoded, and each network takes two steps, in this process.

Knows recipes, networks and clocks. Does not know runs or Ray.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim import AdamW

from flipbatch.frames.decode import InputSize
from flipbatch.frames.load import load_frames, start_reading
from flipbatch.models.architectures import architecture
from flipbatch.runtime.wording import about, counted
from flipbatch.schema import Split
from flipbatch.training.epoch import EVALUATION_BATCH, Loss, evaluate, shuffled_batches, train_epoch
from flipbatch.training.frame_cache import FrameCache
from flipbatch.training.options import TrainOptions
from flipbatch.training.recipes import Recipe, recipe_for
from flipbatch.training.splits import SplitFrames
from flipbatch.training.start import first_weights

FRAMES_AT_A_TIME = 8
"""As many warm up, and as many are timed."""

START_SECONDS = {"ray": (10, 10), "local": (3, 0)}
"""Until the first frame is decoded, and of the workers of each fit, by executor."""

STEPS = 2
"""One warms up, and one is timed."""


def estimate_line(options: TrainOptions, splits: Sequence[SplitFrames], cores: int) -> str:
    """Return how long training would take as a line: an upper bound, since it may stop early.

    Parameters
    ----------
    options : TrainOptions
    splits : sequence of SplitFrames
        One, or one per fold.
    cores : int
        That decode frames. A network takes those that torch takes in this process.
    """
    if options.gpu or options.workers > 1:
        return f"time: no estimate with {'--gpu' if options.gpu else 'several workers'}"
    of_run, of_fit = START_SECONDS[options.executor]
    parts = {"decoding": _decoding(splits[0], options.models) / cores}
    for name, first in first_weights(options.models, options.weights).items():
        recipe = recipe_for(name, first.pretrained, first.whole)
        parts[name] = of_fit * len(splits) + _fitting(name, recipe, options, splits)
    listed = ", ".join(f"{part} {about(seconds)}" for part, seconds in parts.items())
    rendered = ", without the time to render frames" if options.settings.rendered_share else ""
    source = f"{counted(FRAMES_AT_A_TIME, 'frame')} and one step of each model{rendered}"
    return (
        f"time: at most about {about(of_run + sum(parts.values()))} on {counted(cores, 'core')} ({listed}; "
        f"estimated from {source}); early stopping may end it sooner"
    )


def _decoding(splits: SplitFrames, models: Sequence[str]) -> float:
    """Return the seconds of one core that decode all frames, once for all models of one input size."""
    sizes = list(dict.fromkeys(architecture(name).input_size for name in models))
    uris = splits.frames["uri"].to_pylist()
    middle = min(FRAMES_AT_A_TIME, len(uris) - 1)
    _load(uris[:FRAMES_AT_A_TIME], sizes)
    timed = uris[middle : middle + FRAMES_AT_A_TIME]
    return _seconds(lambda: _load(timed, sizes)) / len(timed) * len(uris)


def _load(uris: list[str], sizes: list[InputSize]) -> None:
    for size in sizes:
        load_frames(uris, [size], start_reading(uris))


def _fitting(name: str, recipe: Recipe, options: TrainOptions, splits: Sequence[SplitFrames]) -> float:
    """Return the seconds of all epochs of a model, on all splits."""
    network = architecture(name).build(options.networks.get(name))
    step, evaluation = _step_seconds(network, recipe, architecture(name).input_size)
    epochs = options.settings.epochs
    real = 1 - options.settings.rendered_share
    low_res = int(recipe.low_res_share * epochs)
    frozen = min(recipe.frozen_epochs, epochs)
    full = epochs - frozen - 0.75 * low_res  # an epoch at half the size costs a quarter
    total = 0.0
    for one in splits:
        train, val, test = (one.of(split).num_rows for split in (Split.TRAIN, Split.VAL, Split.TEST))
        steps = math.ceil(train / real / recipe.batch_size)
        embedding = (train / real + val) * evaluation if frozen else 0.0
        total += embedding + full * (steps * step + val * evaluation) + (val + test) * evaluation
    return total


def _step_seconds(network: nn.Module, recipe: Recipe, size: InputSize) -> tuple[float, float]:
    """Return the seconds of a training step, and those of a frame that is evaluated."""
    cpu, loss, generator = torch.device("cpu"), Loss(1, 1), torch.Generator().manual_seed(0)
    frames = _noise(max(recipe.batch_size, EVALUATION_BATCH), size)
    optimizer = AdamW(network.parameters(), lr=0.0, fused=True)
    took: list[float] = []

    def after_step() -> None:
        took.append(time.perf_counter())

    batches = shuffled_batches(len(frames), recipe.batch_size, STEPS, generator)
    train_epoch(network.train(), frames, optimizer, loss, batches, generator, after_step)
    evaluate(network, frames.take(slice(0, 1)), loss, cpu)
    evaluation = _seconds(lambda: evaluate(network, frames, loss, cpu)) / len(frames)
    return took[-1] - took[-2], evaluation


def _noise(count: int, size: InputSize) -> FrameCache:
    """Return frames of noise: how long a network takes does not depend on what it sees."""
    empty = FrameCache.collect([], size)
    pixels = torch.randint(256, (count, size.height, size.width, 3), dtype=torch.uint8)
    positive = torch.arange(count) % 2 == 0
    return FrameCache(pixels, positive, *(empty.video_id, empty.group, empty.frame_number, empty.uri))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
