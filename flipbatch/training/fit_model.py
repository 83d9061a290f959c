"""One model on every worker: build the network, fit it, assess it; rank 0 writes the bundle.

Knows how networks, recipes, fits and bundles are put together. Does not know Ray, or where frames, devices
and checkpoints come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from flipbatch import storage
from flipbatch.frames.decode import InputSize
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import Bundle, as_arrays, save_bundle
from flipbatch.schema import Split
from flipbatch.storage.parquet import write_table
from flipbatch.training.assess import Assessment, assess, scored_frames
from flipbatch.training.distributed import gather_rows, rank, sum_over_ranks, world_size
from flipbatch.training.epoch import Loss, evaluate
from flipbatch.training.fit import Checkpoint, Fit, Fitted, Report, Settings, describe
from flipbatch.training.frame_cache import FrameCache
from flipbatch.training.recipes import recipe_for
from flipbatch.training.rendered_share import with_rendered
from flipbatch.training.start import Start

MODELS_FOLDER, CHECKPOINTS_FOLDER = "models", "checkpoints"
TEST_VIDEOS_FOLDER, TEST_FRAMES_FOLDER = "test_videos", "test_frames"


@dataclass(frozen=True)
class FitTask:
    """One model to train.

    Attributes
    ----------
    name : str
        Its architecture, and its name in tables.
    title : str
        What log lines call it.
    settings : Settings
    start : Start
        What the network starts from.
    splits : ndarray
        (frames,), str: the split of each decoded frame by its row, empty where it is left out.
    out : str
        URI of the directory for ``models/``, ``test_videos/``, ``test_frames/`` and ``checkpoints/``.
    data : dict
        What the model card says of the frames.
    """

    name: str
    title: str
    settings: Settings
    start: Start
    splits: npt.NDArray[np.str_]
    out: str
    data: dict[str, Any]

    @property
    def input_size(self) -> InputSize:
        """What frames are decoded to."""
        return architecture(self.name).input_size

    @property
    def checkpoints(self) -> str:
        """URI of the directory for checkpoints."""
        return storage.join(self.out, CHECKPOINTS_FOLDER)


def fit_model(
    task: FitTask,
    caches: Mapping[Split, FrameCache],
    device: torch.device,
    report: Report,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Fit one model, assess it, and write its bundle and what it predicts on the test split.

    Parameters
    ----------
    task : FitTask
        The same on every rank.
    caches : mapping of Split to FrameCache
        This rank's share of each split.
    device : torch.device
    report : callable
        Called after each epoch on every rank, with its history entry and a checkpoint.
    checkpoint : dict, optional
        One that `report` was given: training continues after its epoch.
    """
    network = task.start.network(task.name, task.settings.seed).to(device)
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    recipe = recipe_for(task.name, task.start.weights is not None, task.start.whole)
    settings, real = task.settings, caches[Split.TRAIN]
    stream = (task.input_size, settings.seed, rank(), world_size())
    train = with_rendered(real, settings.rendered_share, *stream)
    loss = _loss(train, device)
    fit = Fit(network, train, caches[Split.VAL], loss, recipe, settings)
    if checkpoint is not None:
        fit.resume(checkpoint)
    fitted = fit.run(report)
    network.load_state_dict(fitted.weights)
    val, test = (
        scored_frames(caches[split], evaluate(network, caches[split], loss, device)[1])
        for split in (Split.VAL, Split.TEST)
    )
    pairs = zip(real.video_id, real.group, strict=True)
    trained = gather_rows(sorted(set(pairs)))
    if rank() == 0:
        training = {**describe(recipe, settings), **asdict(fit.batches), "weights": task.start.source}
        _write(task, fitted, training, assess(task.name, val, test, trained))


def epoch_line(task: FitTask, entry: Mapping[str, Any]) -> str:
    """Return the log line of an epoch's history entry."""
    train, val = entry["train"], entry["val"]
    return (
        f"{task.title} {entry['epoch'] + 1:>3}/{task.settings.epochs} loss {train['loss']:.3f}, validation "
        f"{val['loss']:.3f}, F1 {val['f1'] or 0:.3f}{' *' if entry['improved'] else ''}"
    )


def _loss(train: FrameCache, device: torch.device) -> Loss:
    positives = int(train.positive.sum())
    both = sum_over_ranks(torch.tensor([positives, len(train) - positives], device=device))
    return Loss(*both.tolist())


def _write(task: FitTask, fitted: Fitted, training: Mapping[str, Any], assessment: Assessment) -> None:
    """Write the tables of the test split, then the bundle: a model with a bundle is finished."""
    file = f"{task.name}.parquet"
    write_table(assessment.test_videos, storage.join(task.out, TEST_VIDEOS_FOLDER, file))
    write_table(assessment.test_frames, storage.join(task.out, TEST_FRAMES_FOLDER, file))
    outcome = {
        "best_epoch": fitted.best_epoch,
        "epochs_run": len(fitted.history),
        "stopped_early": fitted.stopped_early,
    }
    provenance = {
        "metrics": assessment.metrics,
        "calibration": assessment.calibration_report,
        "data": task.data,
        "training": {**training, **outcome},
        "history": fitted.history,
    }
    weights = as_arrays(fitted.weights)
    made = (task.input_size, assessment.calibration, weights, provenance, task.start.options)
    bundle = Bundle(task.name, task.name, *made)
    save_bundle(bundle, storage.join(task.out, MODELS_FOLDER, task.name))
