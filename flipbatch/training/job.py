"""Training as a job: a run directory, splits, models, and their comparison.

Knows the order of steps and what makes a resume the same run; knows no Ray: an executor decodes and fits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import pyarrow as pa

from flipbatch.errors import OutputError
from flipbatch.frames.manifest import Manifest, load_manifest
from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.runtime.wording import counted, plural
from flipbatch.schema import COLUMNS, Label, Split
from flipbatch.storage.hive_folders import column_notes
from flipbatch.storage.parquet import write_table
from flipbatch.training.comparison import compare, leak_of
from flipbatch.training.fold_results import summarise_folds
from flipbatch.training.folds import FoldPlan, ignored_splits, split_folds
from flipbatch.training.observer import ModelFit, Observer, Observers
from flipbatch.training.options import TrainOptions
from flipbatch.training.splits import SplitFrames, split_frames
from flipbatch.training.start import starts, weights_source
from flipbatch.training.train_models import ModelTrainer, model_provenance, model_tally
from flipbatch.training.trainer import Trainer

log = logging.getLogger(__name__)

SPLITS_FILE, MISNAMED_FILE = "splits.parquet", "misnamed.parquet"
COMPARISON_FILE, FOLDS_FILE = "comparison.json", "folds.json"
_BEFORE_RUN_FILE = frozenset({SPLITS_FILE, MISNAMED_FILE})


WriteReport = Callable[[RunDirectory, Mapping[str, Any]], None]
"""Writes a report: gets the run's directory and the content of ``comparison.json`` or ``folds.json``."""


def train(
    options: TrainOptions,
    trainer: Trainer | None = None,
    write_report: WriteReport | None = None,
    observers: Sequence[Observer] = (),
) -> dict[str, Any]:
    """Train each model and compare them; with `options.folds`, cross-validate them instead.

    Parameters
    ----------
    options : TrainOptions
    trainer : Trainer, optional
        By default the executor that the options name.
    write_report : callable, optional
        Called with the result, before the run is finished.
    observers : sequence of Observer
        Are told of the run, also of one that has finished.

    Returns
    -------
    dict
        The content of ``comparison.json``, or of ``folds.json``.

    Raises
    ------
    FlipbatchError
        Its message says what to do.
    """
    directory = RunDirectory.at(options.out)
    found = _found_run(directory, options)
    manifest = load_manifest(options.frames, options.manifest)
    splits = _splits(manifest, options)
    told = Observers(observers)
    with _executor(options):
        finished = directory.is_finished
        first = {} if finished else starts(options.models, options.weights, options.networks)
        _start(directory, options, found, manifest, splits)
        told.run_started(directory, directory.read_run_file()["identity"])
        fits = _fits(options, directory, splits)
        with _failure_told(told):
            if finished:
                for fit in chain.from_iterable(fits):
                    told.model_finished(fit)
            else:
                models = ModelTrainer(options, splits, first, directory, told, trainer)
                _train(models, fits, options, directory, write_report)
            result = directory.read_json(_result_file(options))
            told.run_finished(result)
        if not finished:
            directory.finish()
        return result


def _fits(options: TrainOptions, directory: RunDirectory, splits: list[SplitFrames]) -> list[list[ModelFit]]:
    """Return the models of each split."""
    if options.folds is None:
        return [[ModelFit(name, None, directory) for name in options.models]]
    places = [RunDirectory(directory.path("folds", f"{fold:02d}")) for fold, _ in enumerate(splits, 1)]
    return [[ModelFit(name, fold, place) for name in options.models] for fold, place in enumerate(places, 1)]


@contextmanager
def _failure_told(observers: Observers) -> Iterator[None]:
    """Tell observers if the command ends here."""
    try:
        yield
    except BaseException:
        observers.run_failed()
        raise


def _executor(options: TrainOptions) -> AbstractContextManager[None]:
    """Connect to Ray if it trains; a connection that exists is used."""
    if options.executor == "local":
        return nullcontext()
    from flipbatch.runtime.ray_connection import connected

    return connected()


def _result_file(options: TrainOptions) -> str:
    return COMPARISON_FILE if options.folds is None else FOLDS_FILE


def _train(
    models: ModelTrainer,
    fits: list[list[ModelFit]],
    options: TrainOptions,
    directory: RunDirectory,
    write_report: WriteReport | None,
) -> None:
    """Train the models that are still to be trained, and write the result and its report."""
    if options.folds is None:
        result = _compared(models, fits[0])
    else:
        result = _cross_validated(models, fits, options.folds)
    directory.write_json(_result_file(options), result)
    if write_report is not None:
        write_report(directory, result)


def _splits(manifest: Manifest, options: TrainOptions) -> list[SplitFrames]:
    """Return the splits of the run: one, or one per fold."""
    seed = options.settings.seed
    if options.folds is None:
        return [split_frames(manifest.frames, seed)]
    return split_folds(manifest.frames, options.folds, seed)


def _compared(models: ModelTrainer, fits: Sequence[ModelFit]) -> dict[str, Any]:
    """Train all models on one split; return the comparison."""
    models.train(models.splits[0], fits)
    provenances = {fit.name: model_provenance(fit) for fit in fits}
    return compare(provenances, {fit.name: model_tally(fit) for fit in fits})


def _cross_validated(models: ModelTrainer, fits: list[list[ModelFit]], plan: FoldPlan) -> dict[str, Any]:
    """Train all models on each fold; return the results of all folds."""
    tallies, leaks = [], []
    for number, (fold, of_fold) in enumerate(zip(models.splits, fits, strict=True), 1):
        write_table(fold.table(), of_fold[0].directory.path(SPLITS_FILE))
        models.train(fold, of_fold, f"fold {number}/{len(fits)} ")
        tallies.append({fit.name: model_tally(fit) for fit in of_fold})
        leaks.append(leak_of(model_provenance(of_fold[0])))
    return summarise_folds(plan, models.splits, tallies, leaks)


def _found_run(directory: RunDirectory, options: TrainOptions) -> dict[str, Any] | None:
    found = directory.read_identity(_BEFORE_RUN_FILE)
    if found is not None and not options.resume:
        raise OutputError(
            f"{directory.uri} contains a training run: add --resume to continue it, or choose another --out."
        )
    return found


def _start(
    directory: RunDirectory,
    options: TrainOptions,
    found: dict[str, Any] | None,
    manifest: Manifest,
    splits: list[SplitFrames],
) -> None:
    """Write ``run.json``, or check that the run found is this one; log what is in it."""
    identity = options.identity(manifest_fingerprint(splits[0].frames))
    warnings = _warnings(directory, options, manifest, splits)
    if found is None:
        write_table(manifest.misnamed, directory.path(MISNAMED_FILE))
        if options.folds is None:
            write_table(splits[0].table(), directory.path(SPLITS_FILE))
        notes = {"notes": list(manifest.notes)}
        directory.start(identity, warnings=[*options.notes, *warnings], manifest=notes)
    else:
        require_same_identity(directory.uri, found, identity)
    if options.folds is None:
        for line in _split_lines(splits[0]):
            log.info("%s", line)
    for warning in [*manifest.notes, *warnings]:
        log.warning("%s", warning)


def _warnings(
    directory: RunDirectory, options: TrainOptions, manifest: Manifest, splits: list[SplitFrames]
) -> list[str]:
    """Return what is doubtful about the splits and the output."""
    warnings = list(dict.fromkeys(warning for one in splits for warning in one.warnings))
    if options.folds is not None:
        warnings += ignored_splits(manifest.frames)
    return warnings + column_notes(directory.uri, COLUMNS)


def _split_lines(splits: SplitFrames) -> list[str]:
    """Return a line for each split: frames, videos, groups, and frames of each label."""
    return [_split_line(split, splits.of(split)) for split in Split]


def _split_line(split: Split, frames: pa.Table) -> str:
    flips = frames["label"].to_pylist().count(Label.FLIP)
    videos, groups = (len(frames[column].unique()) for column in ("video_id", "group"))
    return (
        f"{split:<5} {frames.num_rows:7d} {plural(frames.num_rows, 'frame')} of {videos:5d} "
        f"{plural(videos, 'video')} in {groups:5d} {plural(groups, 'group')}, {flips} flip, "
        f"{frames.num_rows - flips} notflip"
    )


# ---------------------------------------------------------------------------------------- dry run


def dry_run(options: TrainOptions) -> list[str]:
    """Return what `train` would do, as lines: splits, settings and warnings; write nothing.

    Raises
    ------
    FlipbatchError
        As `train` raises it before its work.
    """
    directory = RunDirectory.at(options.out)
    found = _found_run(directory, options)
    manifest = load_manifest(options.frames, options.manifest)
    splits = _splits(manifest, options)
    if found is not None:
        identity = options.identity(manifest_fingerprint(splits[0].frames))
        require_same_identity(directory.uri, found, identity)
    return [
        f"{_act(directory, found)} {directory.uri}",
        *_lines_of_all(splits, options),
        f"models: {', '.join(options.models)}, from weights {weights_source(options.weights)}",
        _settings_line(options),
        *_time(directory, options, splits),
        *manifest.notes,
        *_warnings(directory, options, manifest, splits),
    ]


def _time(directory: RunDirectory, options: TrainOptions, splits: list[SplitFrames]) -> list[str]:
    if directory.is_finished:
        return []
    from flipbatch.training.estimate import estimate_line

    cores = 1
    if options.executor == "ray":
        from flipbatch.runtime.ray_connection import cpus_of_a_job

        cores = cpus_of_a_job()
    return [estimate_line(options, splits, cores)]


def _act(directory: RunDirectory, found: dict[str, Any] | None) -> str:
    if found is None:
        return "would write to"
    return "has finished" if directory.is_finished else "would resume"


def _lines_of_all(splits: list[SplitFrames], options: TrainOptions) -> list[str]:
    if options.folds is None:
        return _split_lines(splits[0])
    return [f"fold {number} {line}" for number, one in enumerate(splits, 1) for line in _split_lines(one)]


def _settings_line(options: TrainOptions) -> str:
    settings = options.settings
    workers = "in this process" if options.executor == "local" else counted(options.workers, "worker")
    return (
        f"settings: at most {counted(settings.epochs, 'epoch')}, patience {settings.patience}, min-delta "
        f"{settings.min_delta:g}, seed {settings.seed}, {workers}{' with GPUs' if options.gpu else ''}"
    )
