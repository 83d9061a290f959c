"""Pretraining as a job: a network learns from an endless stream of rendered frames, and becomes a bundle.

Knows the run directory, checkpoints and the order of steps. Does not know Ray, or what a step is.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score

from flipbatch.errors import InputError, OutputError
from flipbatch.evaluation.adaptation_prior import AdaptationPrior
from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.counts import Counts
from flipbatch.evaluation.reliability import calibration_report
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import Bundle, as_arrays, half_size, save_bundle
from flipbatch.models.network import Network
from flipbatch.models.pretrained import is_pretrained
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.training.checkpoint_file import read_checkpoint, write_checkpoint
from flipbatch.training.fit_model import CHECKPOINTS_FOLDER, MODELS_FOLDER
from flipbatch.training.pretrain_recipe import RECIPES, PretrainRecipe
from flipbatch.training.pretraining import Pretraining, StepLosses, logits_of
from flipbatch.training.process_settings import set_up
from flipbatch.training.rendered_places import LabelledFrames, PlaceRenderer
from flipbatch.training.rendered_pool import START, Mark, RenderedPool
from flipbatch.training.start import PRETRAINED, starts, weights_digest, weights_source

log = logging.getLogger(__name__)

_VALIDATION_SEED = 2**31
"""Added to the seed of the stream that is trained on: validation shows other places."""

_EVALUATION_BATCH = 64
_STEPS_PER_LINE = 50


@dataclass(frozen=True)
class PretrainOptions:
    """The options of a pretraining command.

    Attributes
    ----------
    out : str
        Output directory, any URI.
    model : str
        Architecture to train.
    weights : str
        What layers below the head start from: ``imagenet``, ``none``, or the URI of a file.
    steps : int
        At least 1.
    seed : int
        Of the stream, the weights and the augmentation.
    threshold : float or None
        The probability at which the bundle decides, 0 to 1; None is the best on rendered frames.
    processes : int
        That render, beside this one.
    threads : int
        Of this process.
    resume : bool
        Whether to continue the run in `out`.
    """

    out: str
    model: str
    weights: str
    steps: int
    seed: int = 0
    threshold: float | None = None
    processes: int = 1
    threads: int = 1
    resume: bool = False

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a resume: everything that changes the weights."""
        recipe = RECIPES[self.model]
        return {
            "command": "pretrain",
            "model": self.model,
            "weights": weights_source(self.weights),
            "weights_digest": weights_digest([self.model], self.weights),
            "steps": self.steps,
            "seed": self.seed,
            "recipe": _recipe_json(recipe),
        }


def pretrain(options: PretrainOptions) -> dict[str, Any]:
    """Train a network on rendered frames and write its bundle.

    A finished run that is resumed with another threshold gets it without being trained again.

    Returns
    -------
    dict
        Metrics of the bundle on rendered frames of other places.

    Raises
    ------
    FlipbatchError
        Its message says what to do.
    """
    if is_pretrained(options.weights) or options.weights == PRETRAINED:
        raise InputError(
            f"--weights {options.weights} has learned from rendered frames before: use imagenet, none or the "
            "URI of a file."
        )
    directory = RunDirectory.at(options.out)
    found = directory.read_identity(frozenset())
    if found is not None and not options.resume:
        raise OutputError(
            f"{directory.uri} contains a run: add --resume to continue it, or choose another --out."
        )
    identity = options.identity()
    start = starts([options.model], options.weights, {options.model: RECIPES[options.model].network})
    set_up(options.threads)
    run = _Run(options, directory, start[options.model].network(options.model, options.seed))
    if found is None:
        directory.start(identity)
    else:
        require_same_identity(directory.uri, found, identity)
    return run.finish(identity)


class _Validation(NamedTuple):
    """Rendered frames that nothing is trained on."""

    frames: LabelledFrames
    places: npt.NDArray[np.int64]


class _Run:
    """One run: from its checkpoint, or from the start, to its bundle."""

    def __init__(self, options: PretrainOptions, directory: RunDirectory, network: Network) -> None:
        self._options, self._directory = options, directory
        self._recipe = RECIPES[options.model]
        self._size = architecture(options.model).input_size
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._training = Pretraining(network.to(device), self._recipe, options.steps)
        self._history: list[dict[str, Any]] = []
        self._file = directory.path(CHECKPOINTS_FOLDER, f"{options.model}.pt")

    def finish(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Train what is left and write the bundle."""
        pool_start = self._resume()
        with PlaceRenderer(self._options.processes, self._size) as renderer:
            validation = self._render_validation(renderer)
            if self._training.done < self._options.steps:
                places = partial(renderer.places, self._options.seed)
                self._train(RenderedPool(places, self._recipe.capacity, self._size, pool_start), validation)
        bundle = self._bundle(identity, validation)
        save_bundle(bundle, self._directory.path(MODELS_FOLDER, self._options.model))
        self._directory.finish()
        return dict(bundle.provenance["metrics"])

    def _resume(self) -> Mark:
        checkpoint = read_checkpoint(self._file)
        if checkpoint is None:
            return START
        self._training.resume(checkpoint["training"])
        self._history = checkpoint["history"]
        return Mark(*checkpoint["oldest"])

    def _render_validation(self, renderer: PlaceRenderer) -> _Validation:
        log.info("rendering %d frames for validation", self._recipe.validation_frames)
        parts: list[LabelledFrames] = []
        numbers: list[int] = []
        for number, part in enumerate(renderer.places(self._options.seed + _VALIDATION_SEED)):
            parts.append(part)
            numbers += [number] * len(part.positive)
            if len(numbers) >= self._recipe.validation_frames:
                break
        frames = LabelledFrames(*map(np.concatenate, zip(*parts, strict=True)))
        return _Validation(frames, np.array(numbers))

    def _train(self, pool: RenderedPool, validation: _Validation) -> None:
        recipe, training = self._recipe, self._training
        losses: list[StepLosses] = []
        while training.done < self._options.steps:
            # Every draw depends on seed and step alone: a run that goes on gives the same weights.
            generator = torch.Generator().manual_seed(
                (self._options.seed * 1_000_003 + training.done) % 2**63
            )
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            pool.fill(recipe.frames_at(training.done))
            losses.append(training.step(pool.draw(recipe.batch_size, generator), generator))
            if training.done % _STEPS_PER_LINE == 0:
                log.info("step %d of %d, loss %.3f", training.done, self._options.steps, losses[-1].label)
            if training.done % recipe.steps_per_report == 0 or training.done == self._options.steps:
                self._report(losses, pool, validation)
                losses.clear()

    def _report(self, losses: list[StepLosses], pool: RenderedPool, validation: _Validation) -> None:
        logits = _logits(self._training.averaged, validation.frames)
        label, maps = np.mean(losses, axis=0).tolist()
        entry = {
            "step": self._training.done,
            "frames": pool.frames,
            "train": {"label_loss": label, "map_loss": maps},
            "val": _metrics(logits, validation.frames.positive, Calibration()),
        }
        self._history.append(entry)
        log.info("%s", report_line(self._options, entry))
        state = {
            "training": self._training.checkpoint(),
            "history": self._history,
            "oldest": tuple(pool.oldest),
        }
        write_checkpoint(state, self._file)

    def _bundle(self, identity: dict[str, Any], validation: _Validation) -> Bundle:
        """Return the bundle of the averaged weights, calibrated as they are stored."""
        name, size = self._options.model, self._size
        weights = as_arrays(self._training.averaged.state_dict())
        bundle = half_size(Bundle(name, name, size, Calibration(), weights, {}, self._recipe.network))
        truth = validation.frames.positive
        logits = _logits(bundle.network(), validation.frames)
        calibration = Calibration.fit(logits, truth)
        if self._options.threshold is not None:
            calibration = replace(calibration, threshold=self._options.threshold)
        log_odds = logits.astype(np.float64) / calibration.temperature + calibration.offset
        prior = AdaptationPrior.fit(log_odds, truth, validation.places, calibration.threshold)
        provenance = {
            "metrics": {"rendered": _metrics(logits, truth, calibration)},
            "calibration": calibration_report(logits, truth, calibration),
            "adaptation": prior.to_json(),
            "training": {**identity, "threshold_given": self._options.threshold is not None},
            "history": self._history,
        }
        return replace(bundle, calibration=calibration, provenance=provenance)


def _recipe_json(recipe: PretrainRecipe) -> dict[str, Any]:
    values = {**asdict(recipe), "network": recipe.network.to_json()}
    del values["steps"]  # those of the run are beside it
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _logits(network: Network, frames: LabelledFrames) -> npt.NDArray[np.float32]:
    return logits_of(network, torch.from_numpy(frames.pixels), _EVALUATION_BATCH).numpy()


def _metrics(
    logits: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_], calibration: Calibration
) -> dict[str, Any]:
    """Return metrics of frames as plain JSON values."""
    counts = Counts.of(truth, calibration.flips(calibration.probabilities(logits)))
    return {
        "frames": len(truth),
        "auc": float(roc_auc_score(truth, logits)),
        "balanced_accuracy": counts.balanced_accuracy,
        "f1": counts.f1,
    }


def report_line(options: PretrainOptions, entry: dict[str, Any]) -> str:
    """Return the log line of a history entry."""
    train, val = entry["train"], entry["val"]
    return (
        f"{options.model} {entry['step']:>6}/{options.steps} loss {train['label_loss']:.3f}, maps "
        f"{train['map_loss']:.3f}, validation AUC {val['auc']:.3f}, F1 {val['f1'] or 0:.3f}"
    )
