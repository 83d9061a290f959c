"""Pretraining as a job: networks learn from one endless stream of rendered frames, and become bundles.

Knows the run directory, checkpoints and the order of steps. Does not know Ray, or what a step is.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial, reduce
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
from flipbatch.evaluation.threshold import UNDECIDED
from flipbatch.models.architectures import EIGHTH
from flipbatch.models.bundle import Bundle, as_arrays, half_size, load_bundle, save_bundle
from flipbatch.models.network import Network
from flipbatch.models.predictor import fastest_engine
from flipbatch.models.pretrained import is_pretrained
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.synthetic.mix import WORLD, Mix
from flipbatch.training.checkpoint_file import read_checkpoint, write_checkpoint
from flipbatch.training.fit_model import CHECKPOINTS_FOLDER, MODELS_FOLDER
from flipbatch.training.imitation import Imitation
from flipbatch.training.pretrain_recipe import FILMS_DIFFER, RECIPES, STREAM, PretrainRecipe
from flipbatch.training.pretraining import Pretraining, StepLosses, Taught, augmented
from flipbatch.training.process_settings import set_up
from flipbatch.training.rendered_places import LabelledFrames, PlaceRenderer
from flipbatch.training.rendered_pool import START, Mark, RenderedPool
from flipbatch.training.start import PRETRAINED, is_file, starts, weights_digest, weights_source

log = logging.getLogger(__name__)

_VALIDATION_SEED = 2**31
"""Added to the seed of the stream that is trained on: validation shows other places."""

_STEPS_PER_LINE = 50

STOPS_FOLDER = "stops"
"""The folder of ``STEP/NAME``: the bundles of each report."""


@dataclass(frozen=True)
class PretrainOptions:
    """The options of a pretraining command.

    Attributes
    ----------
    out : str
        Output directory, any URI.
    models : tuple of str
        Architectures to train, all on the same frames.
    weights : str
        What `mobilenet_v2` starts from: ``imagenet``, ``none``, or the URI of a file.
    steps : int
        At least 1.
    seed : int
        Of the stream, the weights and the augmentation.
    without : tuple of str
        Ingredients of `synthetic.mix.Mix` that no scene has, to see what they are good for.
    stops : dict of str to int
        The step whose weights a model gets, one of those with a report; by default the last.
    thresholds : dict of str to float
        The probability at which a model decides, 0 to 1; by default one half. The best F1 on rendered frames
        would need a lower one, at which more resting pages are taken for turns.
    processes : int
        That render, beside this one.
    threads : int
        Of this process.
    resume : bool
        Whether to continue the run in `out`.
    """

    out: str
    models: tuple[str, ...]
    weights: str
    steps: int
    seed: int = 0
    without: tuple[str, ...] = ()
    stops: Mapping[str, int] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    processes: int = 1
    threads: int = 1
    resume: bool = False

    @property
    def mix(self) -> Mix:
        """What the scenes of the stream show."""
        return reduce(Mix.without, self.without, WORLD)

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a resume: everything that changes the weights."""
        return {
            "command": "pretrain",
            "models": list(self.models),
            "weights": weights_source(self.weights),
            "weights_digest": weights_digest(self.models, self.weights),
            "steps": self.steps,
            "seed": self.seed,
            "mix": asdict(self.mix),
            "stream": asdict(STREAM),
            "recipes": {name: _recipe_json(RECIPES[name]) for name in self.models},
        }


def pretrain(options: PretrainOptions) -> dict[str, Any]:
    """Train networks on rendered frames and write their bundles.

    A finished run that is resumed with other stops or thresholds gets them without being trained again.

    Returns
    -------
    dict
        By model: metrics of the bundle on rendered frames of other places.

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
    if wrong := [stop for stop in options.stops.values() if not STREAM.reports_at(stop, options.steps)]:
        raise InputError(
            f"No report is written at step {wrong[0]}: stop at a multiple of {STREAM.steps_per_report} or at "
            f"the last step, {options.steps}."
        )
    directory = RunDirectory.at(options.out)
    found = directory.read_identity(frozenset())
    if found is not None and not options.resume:
        raise OutputError(
            f"{directory.uri} contains a run: add --resume to continue it, or choose another --out."
        )
    identity = options.identity()
    networks = {name: RECIPES[name].network for name in options.models}
    first = starts(options.models, options.weights, networks)
    set_up(options.threads)
    run = _Run(options, directory, {name: one.network(name, options.seed) for name, one in first.items()})
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
    """One run: from its checkpoint, or from the start, to its bundles."""

    def __init__(
        self, options: PretrainOptions, directory: RunDirectory, networks: Mapping[str, Network]
    ) -> None:
        self._options, self._directory = options, directory
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # A teacher comes before its student, and its shapes are read before its layers are compiled.
        self._teachers = {name: _teacher(name, networks) for name in networks}
        imitations = {
            name: Imitation(networks[name], networks[teacher], EIGHTH) if teacher else None
            for name, teacher in self._teachers.items()
        }
        self._trainings = {
            name: Pretraining(networks[name].to(self._device), RECIPES[name], options.steps, imitations[name])
            for name in sorted(networks, key=lambda name: self._teachers[name] is not None)
        }
        self._histories: dict[str, list[dict[str, Any]]] = {name: [] for name in networks}
        self._file = directory.path(CHECKPOINTS_FOLDER, "pretrain.pt")

    @property
    def _done(self) -> int:
        """Steps so far: the same for all networks."""
        return next(iter(self._trainings.values())).done

    def finish(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Train what is left and write the bundles."""
        options, pool_start = self._options, self._resume()
        with PlaceRenderer(options.processes, EIGHTH, options.mix) as renderer:
            validation = self._render_validation(renderer)
            if self._done < options.steps:
                places = partial(renderer.places, options.seed)
                self._train(RenderedPool(places, STREAM.capacity, EIGHTH, pool_start), validation)
        metrics: dict[str, Any] = {}
        for name in options.models:
            stop = options.stops.get(name, options.steps)
            bundle = self._calibrated(load_bundle(self._stop_uri(stop, name))[0], validation)
            training = {**identity, **self._card_weights(), "stop": stop}
            history = [entry for entry in self._histories[name] if entry["step"] <= stop]
            provenance = {**bundle.provenance, "training": training, "history": history}
            save_bundle(replace(bundle, provenance=provenance), self._directory.path(MODELS_FOLDER, name))
            metrics[name] = bundle.provenance["metrics"]["rendered"]
        self._directory.finish()
        return metrics

    def _stop_uri(self, step: int, name: str) -> str:
        """Return where the bundle of a report is."""
        return self._directory.path(STOPS_FOLDER, str(step), name)

    def _resume(self) -> Mark:
        checkpoint = read_checkpoint(self._file)
        if checkpoint is None:
            return START
        self._histories = checkpoint["histories"]
        for name, training in self._trainings.items():
            training.resume(checkpoint["trainings"][name])
        return Mark(*checkpoint["oldest"])

    def _render_validation(self, renderer: PlaceRenderer) -> _Validation:
        log.info("rendering %d frames for validation", STREAM.validation_frames)
        parts: list[LabelledFrames] = []
        numbers: list[int] = []
        for number, part in enumerate(renderer.places(self._options.seed + _VALIDATION_SEED)):
            parts.append(part)
            numbers += [number] * len(part.positive)
            if len(numbers) >= STREAM.validation_frames:
                break
        frames = LabelledFrames(*map(np.concatenate, zip(*parts, strict=True)))
        return _Validation(frames, np.array(numbers))

    def _train(self, pool: RenderedPool, validation: _Validation) -> None:
        steps = self._options.steps
        losses: dict[str, list[StepLosses]] = {name: [] for name in self._trainings}
        while self._done < steps:
            pool.fill(STREAM.frames_at(self._done))
            for name, loss in self._step(pool).items():
                losses[name].append(loss)
            if STREAM.reports_at(self._done, steps):
                self._report(losses, pool, validation)
                losses = {name: [] for name in self._trainings}
            elif self._done % _STEPS_PER_LINE == 0:
                log.info("step %d of %d", self._done, steps)

    def _step(self, pool: RenderedPool) -> dict[str, StepLosses]:
        """Train each network on one batch."""
        # Every draw depends on seed and step alone: a run that goes on gives the same weights.
        generator = _generator(self._options.seed, self._done)
        batch = augmented(pool.draw(STREAM.batch_size, generator), generator, self._device)
        losses: dict[str, StepLosses] = {}
        taught: dict[str | None, Taught] = {}
        step = self._done
        for name, training in self._trainings.items():
            torch.manual_seed(step)
            losses[name], taught[name] = training.step(batch, taught.get(self._teachers[name]))
        return losses

    def _report(
        self, losses: Mapping[str, list[StepLosses]], pool: RenderedPool, validation: _Validation
    ) -> None:
        """Evaluate the networks, and write their bundles and a checkpoint."""
        for name, training in self._trainings.items():
            weights = as_arrays(training.averaged.state_dict())
            bundle = Bundle(name, name, EIGHTH, Calibration(), weights, {}, RECIPES[name].network)
            bundle = self._calibrated(half_size(bundle), validation)
            save_bundle(bundle, self._stop_uri(self._done, name))
            label, maps, features = np.mean(losses[name], axis=0).tolist()
            entry = {
                "step": self._done,
                "frames": pool.frames,
                "train": {"label_loss": label, "map_loss": maps, "feature_loss": features},
                "val": bundle.provenance["metrics"]["rendered"],
            }
            self._histories[name].append(entry)
            log.info("%s", report_line(name, self._options.steps, entry))
        checkpoint = {
            "trainings": {name: training.checkpoint() for name, training in self._trainings.items()},
            "histories": self._histories,
            "oldest": tuple(pool.oldest),
        }
        write_checkpoint(checkpoint, self._file)

    def _calibrated(self, bundle: Bundle, validation: _Validation) -> Bundle:
        """Return a bundle calibrated on rendered frames, with its metrics."""
        truth, device = validation.frames.positive, "cuda" if self._device.type == "cuda" else "cpu"
        logits = fastest_engine(bundle, device).logits(validation.frames.pixels)
        threshold = self._options.thresholds.get(bundle.name, UNDECIDED)
        calibration = replace(Calibration.fit(logits, truth), threshold=threshold)
        log_odds = logits.astype(np.float64) / calibration.temperature + calibration.offset
        prior = AdaptationPrior.fit(log_odds, truth, validation.places, calibration.threshold)
        provenance = {
            "metrics": {"rendered": _metrics(logits, truth, calibration)},
            "calibration": calibration_report(logits, truth, calibration),
            "adaptation": prior.widened(FILMS_DIFFER).to_json(),
        }
        return replace(bundle, calibration=calibration, provenance=provenance)

    def _card_weights(self) -> dict[str, Any]:
        """Return what a model card says of the first weights: of a file, its name alone."""
        weights = self._options.weights
        return {"weights": weights.rpartition("/")[2] if is_file(weights) else weights}


def _teacher(name: str, trained: Collection[str]) -> str | None:
    """Return which of the networks of a run teaches another one."""
    teacher = RECIPES[name].teacher
    return teacher if teacher in trained else None


def _generator(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


def _recipe_json(recipe: PretrainRecipe) -> dict[str, Any]:
    values = {**asdict(recipe), "network": recipe.network.to_json()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


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


def report_line(name: str, steps: int, entry: dict[str, Any]) -> str:
    """Return the log line of a history entry."""
    train, val = entry["train"], entry["val"]
    return (
        f"{name:<12} {entry['step']:>6}/{steps} loss {train['label_loss']:.3f}, maps "
        f"{train['map_loss']:.3f}, validation AUC {val['auc']:.3f}, F1 {val['f1'] or 0:.3f}"
    )
