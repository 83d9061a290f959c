"""Pretraining as a job: networks learn from one endless stream of rendered frames, and become bundles.

Knows the run directory, checkpoints and the order of steps. Does not know Ray, or what a step is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import torch

from flipbatch.errors import InputError, OutputError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.threshold import UNDECIDED
from flipbatch.models.architectures import EIGHTH
from flipbatch.models.bundle import Bundle, as_arrays, half_size, load_bundle, save_bundle
from flipbatch.models.network import Network
from flipbatch.models.pretrained import is_pretrained
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.synthetic.mix import WORLD, Mix
from flipbatch.training.checkpoint_file import read_checkpoint, write_checkpoint
from flipbatch.training.fit_model import CHECKPOINTS_FOLDER, MODELS_FOLDER
from flipbatch.training.imitation import Imitation, Teacher
from flipbatch.training.lessons import Lessons, StreamLessons, TaughtLessons
from flipbatch.training.pretrain_recipe import RECIPES, STREAM, PretrainRecipe
from flipbatch.training.pretraining import Pretraining, StepLosses
from flipbatch.training.process_settings import set_up
from flipbatch.training.rendered_places import PlaceRenderer
from flipbatch.training.rendered_pool import START, Mark, Places, RenderedPool
from flipbatch.training.rendered_validation import RenderedValidation
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
    teacher : str
        The bundle that `cnn_model` imitates, a URI or ``pretrained:NAME``, where `mobilenet_v2` is not
        trained in this run.
    steps : int, optional
        At least 1; by default those of the shipped bundles.
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
    teacher: str = "pretrained:mobilenet_v2"
    steps: int | None = None
    seed: int = 0
    without: tuple[str, ...] = ()
    stops: Mapping[str, int] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    processes: int = 1
    threads: int = 1
    resume: bool = False

    def steps_of(self, name: str) -> int:
        """Return the steps of a network."""
        return self.steps or RECIPES[name].steps

    @property
    def has_teacher(self) -> bool:
        """Whether a network imitates one that is not trained in this run."""
        return any(RECIPES[name].teacher not in (None, *self.models) for name in self.models)

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
            "teacher": self.teacher if self.has_teacher else None,
            "teacher_digest": load_bundle(self.teacher)[1] if self.has_teacher else None,
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
    if is_pretrained(options.weights) or options.weights == PRETRAINED:
        raise InputError(
            f"--weights {options.weights} has learned from rendered frames before: use imagenet, none or the "
            "URI of a file."
        )
    for name, stop in options.stops.items():
        if not STREAM.reports_at(stop, last := options.steps_of(name)):
            raise InputError(
                f"No report of {name} is written at step {stop}: stop at a multiple of "
                f"{STREAM.steps_per_report} or at the last step, {last}."
            )
    if options.has_teacher:
        _load_teacher(options.teacher)
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


class _Run:
    """One run: each network from its checkpoint, or from the start, to its bundles."""

    def __init__(
        self, options: PretrainOptions, directory: RunDirectory, networks: Mapping[str, Network]
    ) -> None:
        self._options, self._directory, self._networks = options, directory, networks
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def finish(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Train what is left, one network after the other, and write the bundles."""
        metrics: dict[str, Any] = {}
        with PlaceRenderer(self._options.processes, EIGHTH, self._options.mix) as renderer:
            log.info("rendering %d frames for validation", STREAM.validation_frames)
            places = renderer.places(self._options.seed + _VALIDATION_SEED)
            validation = RenderedValidation.of(places, STREAM.validation_frames)
            for name in (one for one in RECIPES if one in self._networks):
                history = self._train(name, renderer, validation)
                bundle = self._chosen(name, history, identity, validation)
                save_bundle(bundle, self._directory.path(MODELS_FOLDER, name))
                metrics[name] = bundle.provenance["metrics"]["rendered"]
        self._directory.finish()
        return metrics

    def _train(
        self, name: str, renderer: PlaceRenderer, validation: RenderedValidation
    ) -> list[dict[str, Any]]:
        """Train a network from its checkpoint, or from the start, to its last step; return its history."""
        steps, file = self._options.steps_of(name), self._directory.path(CHECKPOINTS_FOLDER, f"{name}.pt")
        network, teacher = self._networks[name].to(self._device), self._teacher(name)
        torch.manual_seed(self._options.seed)  # of the layers that guess what the teacher sees
        imitation = Imitation(network, teacher.network, EIGHTH) if teacher else None
        training = Pretraining(network, RECIPES[name], steps, imitation)
        history: list[dict[str, Any]] = []
        oldest = START
        if checkpoint := read_checkpoint(file):
            history, oldest = checkpoint["history"], Mark(*checkpoint["oldest"])
            training.resume(checkpoint["training"])
        if training.done == steps:
            return history
        places = partial(renderer.places, self._options.seed)
        lessons = self._taught(name, teacher, places) if teacher else self._stream(name, places, oldest)
        losses: list[StepLosses] = []
        while training.done < steps:
            losses.append(lessons.step(training))
            if STREAM.reports_at(training.done, steps):
                bundle = self._bundle(name, training, validation)
                save_bundle(bundle, self._stop_uri(training.done, name))
                history.append(_entry(training.done, lessons.frames, losses, bundle))
                log.info("%s", report_line(name, steps, history[-1]))
                losses = []
                state = {"training": training.checkpoint(), "history": history, "oldest": lessons.oldest}
                write_checkpoint(state, file)
            elif training.done % _STEPS_PER_LINE == 0:
                log.info("%s: step %d of %d", name, training.done, steps)
        return history

    def _stream(self, name: str, places: Places, oldest: Mark) -> Lessons:
        pool = RenderedPool(places, STREAM.capacity, EIGHTH, oldest)
        return StreamLessons(pool, RECIPES[name].frames_per_step, self._options.seed, self._device)

    def _taught(self, name: str, teacher: Teacher, places: Places) -> Lessons:
        frames = RECIPES[name].taught_frames
        log.info("%s: rendering %d frames for its teacher", name, frames)
        return TaughtLessons(teacher, places(0), frames, self._options.seed, self._device)

    def _teacher(self, name: str) -> Teacher | None:
        """Return the network that another one imitates: that of this run, if it is trained here."""
        teacher = RECIPES[name].teacher
        if teacher is None:
            return None
        here = teacher in self._networks
        uri = self._stop_uri(self._options.steps_of(teacher), teacher) if here else self._options.teacher
        return Teacher(_load_teacher(uri).network(), self._device)

    def _stop_uri(self, step: int, name: str) -> str:
        """Return where the bundle of a report is."""
        return self._directory.path(STOPS_FOLDER, str(step), name)

    def _bundle(self, name: str, training: Pretraining, validation: RenderedValidation) -> Bundle:
        """Return the bundle of the averaged weights."""
        weights = as_arrays(training.averaged.state_dict())
        bundle = Bundle(name, name, EIGHTH, Calibration(), weights, {}, RECIPES[name].network)
        return self._calibrated(half_size(bundle), validation)

    def _calibrated(self, bundle: Bundle, validation: RenderedValidation) -> Bundle:
        threshold = self._options.thresholds.get(bundle.name, UNDECIDED)
        return validation.calibrated(bundle, threshold, "cuda" if self._device.type == "cuda" else "cpu")

    def _chosen(
        self,
        name: str,
        history: list[dict[str, Any]],
        identity: dict[str, Any],
        validation: RenderedValidation,
    ) -> Bundle:
        """Return the bundle of the step that was asked for, with its history."""
        stop = self._options.stops.get(name, self._options.steps_of(name))
        bundle = self._calibrated(half_size(load_bundle(self._stop_uri(stop, name))[0]), validation)
        provenance = {
            **bundle.provenance,
            "training": {**identity, **self._card_sources(), "stop": stop},
            "history": [entry for entry in history if entry["step"] <= stop],
        }
        return replace(bundle, provenance=provenance)

    def _card_sources(self) -> dict[str, Any]:
        """Return what a model card says of the sources of weights: of files, their names alone."""
        options, teacher = self._options, self._options.teacher if self._options.has_teacher else None
        return {
            "weights": options.weights.rpartition("/")[2] if is_file(options.weights) else options.weights,
            "teacher": teacher and teacher.rstrip("/").rpartition("/")[2],
        }


def _load_teacher(uri: str) -> Bundle:
    """Load a bundle with class maps.

    Raises
    ------
    BundleError, StorageError
        If it can't be read.
    InputError
        If its network has no class maps.
    """
    bundle, _ = load_bundle(uri)
    if not getattr(bundle.options, "maps", False):
        raise InputError(f"--teacher {uri} has no class maps: use a model that `flipbatch pretrain` made.")
    return bundle


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
