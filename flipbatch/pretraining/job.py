"""Pretraining as a job: networks learn from rendered frames, one after the other, and become bundles.

Knows the run directory, checkpoints and the order of steps. Does not know Ray, or what a step is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import torch

from flipbatch import storage
from flipbatch.errors import InputError, OutputError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.threshold import UNDECIDED
from flipbatch.models.architectures import EIGHTH
from flipbatch.models.bundle import Bundle, as_arrays, half_size, load_bundle, save_bundle
from flipbatch.models.network import Network
from flipbatch.models.precision import Device
from flipbatch.models.pretrained import is_pretrained
from flipbatch.pretraining.data import ImitationData, StreamData, TrainingData
from flipbatch.pretraining.imitation import Imitation
from flipbatch.pretraining.pool import START, Mark, RenderedPool
from flipbatch.pretraining.recipe import RECIPES, STREAM, PretrainRecipe
from flipbatch.pretraining.step import Pretraining, StepLosses
from flipbatch.pretraining.teacher import Teacher
from flipbatch.pretraining.validation import RenderedValidation
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.synthetic.mix import WORLD, Mix
from flipbatch.training.checkpoint_file import read_checkpoint, write_checkpoint
from flipbatch.training.fit_model import CHECKPOINTS_FOLDER, MODELS_FOLDER
from flipbatch.training.process_settings import set_up
from flipbatch.training.rendered_places import PlaceRenderer
from flipbatch.training.start import FROM_SCRATCH, PRETRAINED, Start, starts, weights_digest, weights_source

log = logging.getLogger(__name__)

_VALIDATION_SEED = 2**31
"""Added to the seed of the stream that is trained on: validation shows other places."""

_STEPS_PER_LINE = 50

STOPS_FOLDER = "stops"
"""The folder of ``STEP/NAME``: the bundles of each report."""

SHIPPED_TEACHER = "pretrained:mobilenet_v2"


@dataclass(frozen=True)
class PretrainOptions:
    """The options of a pretraining command.

    Attributes
    ----------
    out : str
        Output directory, any URI.
    models : tuple of str
        Architectures to train, one after the other: a teacher comes first.
    weights : str
        What `mobilenet_v2` starts from: ``imagenet``, ``none``, or the URI of a file.
    teacher : str, optional
        The bundle that `cnn_model` imitates, a URI or ``pretrained:NAME``; by default that of this run,
        at its last step, or else `SHIPPED_TEACHER`.
    steps : int, optional
        At least 1; by default those of the shipped bundles.
    seed : int
        Of the stream, the weights and the augmentation.
    without : tuple of str
        Ingredients of `synthetic.mix.Mix` that no scene has, to see what they are good for.
    stops : dict of str to int
        The step whose weights a model gets, one of those with a report; by default the last. Another model
        that imitates it still imitates its last step.
    thresholds : dict of str to float
        The probability at which a model decides, 0 to 1; by default one half. The best F1 on rendered frames
        would need a lower one, at which more resting pages are taken for turns.
    processes : int
        That render, beside this one.
    threads : int
        Of this process.
    resume : bool
        Whether to continue the run in `out`.

    Raises
    ------
    InputError
        If an option does not go with the others.
    """

    out: str
    models: tuple[str, ...]
    weights: str
    teacher: str | None = None
    steps: int | None = None
    seed: int = 0
    without: tuple[str, ...] = ()
    stops: Mapping[str, int] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    processes: int = 1
    threads: int = 1
    resume: bool = False

    def __post_init__(self) -> None:
        if is_pretrained(self.weights) or self.weights == PRETRAINED:
            raise InputError(
                f"--weights {self.weights} has learned from rendered frames before: use imagenet, none or "
                "the URI of a file."
            )
        if strangers := sorted({*self.stops, *self.thresholds} - set(self.models)):
            raise InputError(f"{strangers[0]} is not trained: add it to --models, or leave its options out.")
        for name, stop in self.stops.items():
            if not STREAM.reports_at(stop, last := self.steps_of(name)):
                raise InputError(
                    f"No report of {name} is written at step {stop}: stop at a multiple of "
                    f"{STREAM.steps_per_report} or at the last step, {last}."
                )

    def steps_of(self, name: str) -> int:
        """Return the steps of a network."""
        return self.steps or RECIPES[name].steps

    @property
    def outer_teacher(self) -> str | None:
        """The bundle that a network imitates, if it is not trained in this run."""
        wanted = {RECIPES[name].teacher for name in self.models} - {None}
        if not wanted:
            return None
        return self.teacher or (None if wanted <= set(self.models) else SHIPPED_TEACHER)

    @property
    def mix(self) -> Mix:
        """What the scenes of the stream show."""
        return reduce(Mix.without, self.without, WORLD)

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a resume: everything that changes the weights."""
        teacher = self.outer_teacher
        return {
            "command": "pretrain",
            "models": list(self.models),
            "weights": weights_source(self.weights),
            "weights_digest": weights_digest(self.models, self.weights),
            "teacher": teacher and weights_source(teacher),
            "teacher_digest": teacher and load_bundle(teacher)[1],
            "steps": {name: self.steps_of(name) for name in self.models},
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
    teacher = options.outer_teacher and _teacher_network(options.outer_teacher)
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
    if found is None:
        directory.start(identity)
    else:
        require_same_identity(directory.uri, found, identity)
        directory.reopen()
    return _Run(options, directory, first, teacher or None).finish()


class _Run:
    """One run: each network from its checkpoint, or from the start, to its bundles."""

    def __init__(
        self,
        options: PretrainOptions,
        directory: RunDirectory,
        first: Mapping[str, Start],
        teacher: Network | None,
    ) -> None:
        self._options, self._directory, self._starts, self._teacher = options, directory, first, teacher
        self._device_name: Device = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(self._device_name)

    def finish(self) -> dict[str, Any]:
        """Train what is left, one network after the other, and write the bundles."""
        metrics: dict[str, Any] = {}
        with PlaceRenderer(self._options.processes, EIGHTH, self._options.mix) as renderer:
            log.info("rendering %d frames for validation", STREAM.validation_frames)
            with closing(renderer.places(self._options.seed + _VALIDATION_SEED)) as places:
                validation = RenderedValidation.of(places, STREAM.validation_frames)
            for name in (one for one in RECIPES if one in self._starts):
                history = self._train(name, renderer, validation)
                bundle = self._chosen(name, history, validation)
                save_bundle(bundle, self._directory.path(MODELS_FOLDER, name))
                metrics[name] = bundle.provenance["metrics"]["rendered"]
        self._directory.finish()
        return metrics

    def _train(
        self, name: str, renderer: PlaceRenderer, validation: RenderedValidation
    ) -> list[dict[str, Any]]:
        """Train a network from its checkpoint, or from the start, to its last step; return its history."""
        steps, file = self._options.steps_of(name), self._directory.path(CHECKPOINTS_FOLDER, f"{name}.pt")
        checkpoint = read_checkpoint(file) or {"history": [], "oldest": START, "training": None}
        history: list[dict[str, Any]] = checkpoint["history"]
        if history and history[-1]["step"] == steps:
            return history
        teacher = self._teacher_of(name)
        training = self._training(name, teacher)
        if checkpoint["training"]:
            training.resume(checkpoint["training"])
        data = self._data(name, renderer, teacher, Mark(*checkpoint["oldest"]))
        losses: list[StepLosses] = []
        while training.done < steps:
            losses.append(data.step(training))
            if STREAM.reports_at(training.done, steps):
                bundle = self._bundle(name, training, validation)
                save_bundle(bundle, self._stop_uri(training.done, name))
                history.append(_entry(training.done, data.frames, losses, bundle))
                log.info("%s", report_line(name, steps, history[-1]))
                losses = []
                state = {"training": training.checkpoint(), "history": history, "oldest": tuple(data.oldest)}
                write_checkpoint(state, file)
            elif training.done % _STEPS_PER_LINE == 0:
                log.info("%s: step %d of %d", name, training.done, steps)
        return history

    def _training(self, name: str, teacher: Teacher | None) -> Pretraining:
        recipe = self._recipe(name)
        network = self._starts[name].network(name, self._options.seed).to(self._device)
        torch.manual_seed(self._options.seed)  # of the layers that predict the teacher's features
        imitation = Imitation(network, teacher.network, EIGHTH) if teacher else None
        return Pretraining(network, recipe, self._options.steps_of(name), imitation)

    def _recipe(self, name: str) -> PretrainRecipe:
        """Return the recipe of a network; blocks with random weights are not frozen."""
        recipe = RECIPES[name]
        return recipe if self._starts[name].weights else replace(recipe, frozen_blocks=0)

    def _data(
        self, name: str, renderer: PlaceRenderer, teacher: Teacher | None, oldest: Mark
    ) -> TrainingData:
        """Return what a network learns from."""
        seed, recipe = self._options.seed, RECIPES[name]
        if teacher is None:
            pool = RenderedPool(partial(renderer.places, seed), STREAM.capacity, EIGHTH, oldest)
            return StreamData(pool, STREAM, recipe, seed, self._device)
        log.info("rendering %d frames, which %s learns from", recipe.imitation_frames, name)
        with closing(renderer.places(seed)) as places:
            return ImitationData(teacher, places, STREAM, recipe, seed, self._device)

    def _teacher_of(self, name: str) -> Teacher | None:
        """Return the network that another one imitates: by default that of this run."""
        teacher = RECIPES[name].teacher
        if teacher is None:
            return None
        here = self._stop_uri(self._options.steps_of(teacher), teacher)
        return Teacher(self._teacher or _teacher_network(here), self._device)

    def _stop_uri(self, step: int, name: str) -> str:
        """Return where the bundle of a report is."""
        return self._directory.path(STOPS_FOLDER, str(step), name)

    def _bundle(self, name: str, training: Pretraining, validation: RenderedValidation) -> Bundle:
        """Return the bundle of the averaged weights, which decides at one half."""
        weights = as_arrays(training.averaged.state_dict())
        bundle = Bundle(name, name, EIGHTH, Calibration(), weights, {}, RECIPES[name].network)
        return validation.calibrated(half_size(bundle), UNDECIDED, self._device_name)

    def _chosen(self, name: str, history: list[dict[str, Any]], validation: RenderedValidation) -> Bundle:
        """Return the bundle of the step that was asked for, with its threshold and its history."""
        options = self._options
        stop = options.stops.get(name, options.steps_of(name))
        bundle = half_size(load_bundle(self._stop_uri(stop, name))[0])
        threshold = options.thresholds.get(name, UNDECIDED)
        bundle = validation.calibrated(bundle, threshold, self._device_name)
        provenance = {
            **bundle.provenance,
            "training": self._card_training(name, stop),
            "history": [entry for entry in history if entry["step"] <= stop],
        }
        return replace(bundle, provenance=provenance)

    def _card_training(self, name: str, stop: int) -> dict[str, Any]:
        """Return what a model card says of the training of one network."""
        options, teacher = self._options, RECIPES[name].teacher
        imitated = teacher and short(options.outer_teacher or teacher)
        return {
            "command": "pretrain",
            "weights": short(self._starts[name].source),
            "weights_digest": weights_digest((name,), options.weights) if teacher is None else None,
            "teacher": imitated,
            "steps": options.steps_of(name),
            "stop": stop,
            "seed": options.seed,
            "mix": asdict(options.mix),
            "stream": asdict(STREAM),
            "recipe": _recipe_json(self._recipe(name)),
        }


def _teacher_network(uri: str) -> Network:
    """Load the network of a bundle with class maps.

    Raises
    ------
    BundleError, StorageError
        If it can't be read.
    InputError
        If its network can't be imitated.
    """
    bundle, _ = load_bundle(uri)
    if not getattr(bundle.options, "maps", False):
        raise InputError(f"--teacher {uri} has no class maps: use a model that `flipbatch pretrain` made.")
    if bundle.input_size != EIGHTH:
        theirs, ours = (f"{one.height}x{one.width}" for one in (bundle.input_size, EIGHTH))
        raise InputError(f"--teacher {uri} takes frames of {theirs}: use one that takes {ours}.")
    return bundle.network()


def short(source: str) -> str:
    """Return what a model card says of the source of weights: of a file, its name alone."""
    if source in (FROM_SCRATCH, "imagenet") or is_pretrained(source):
        return source
    return str(storage.redacted_uri(source)).partition("?")[0].rstrip("/").rpartition("/")[2]


def _entry(step: int, frames: int, losses: list[StepLosses], bundle: Bundle) -> dict[str, Any]:
    """Return what the history says of a report."""
    label, maps, features = np.mean(losses, axis=0).tolist()
    train = {"label_loss": label, "map_loss": maps, "feature_loss": features}
    return {"step": step, "frames": frames, "train": train, "val": bundle.provenance["metrics"]["rendered"]}


def _recipe_json(recipe: PretrainRecipe) -> dict[str, Any]:
    values = {**asdict(recipe), "network": recipe.network.to_json()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def report_line(name: str, steps: int, entry: dict[str, Any]) -> str:
    """Return the log line of a history entry."""
    train, val = entry["train"], entry["val"]
    return (
        f"{name:<12} {entry['step']:>6}/{steps} loss {train['label_loss']:.3f}, maps "
        f"{train['map_loss']:.3f}, validation AUC {val['auc']:.3f}, F1 {val['f1'] or 0:.3f}"
    )
