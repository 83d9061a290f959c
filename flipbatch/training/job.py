"""Training as a job: a run directory, splits, models, and their comparison.

Knows the order of steps and what makes a resume the same run; knows no Ray: an executor decodes and fits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from flipbatch.errors import OutputError
from flipbatch.frames.manifest import Manifest, fingerprint, load_manifest
from flipbatch.runtime.run_directory import RunDirectory, require_same
from flipbatch.schema import Label, Split
from flipbatch.storage.parquet import write_table
from flipbatch.training.comparison import compare
from flipbatch.training.fold_results import summarise_folds
from flipbatch.training.folds import ignored_splits, split_folds
from flipbatch.training.options import TrainOptions
from flipbatch.training.splits import SplitFrames, split_frames
from flipbatch.training.train_models import ModelTrainer, model_record, model_tally, pretrained_weights
from flipbatch.training.trainer import Trainer

log = logging.getLogger(__name__)

SPLITS_FILE, MISNAMED_FILE = "splits.parquet", "misnamed.parquet"
_BEFORE_RUN_FILE = frozenset({SPLITS_FILE, MISNAMED_FILE})


def train(options: TrainOptions, trainer: Trainer | None = None) -> dict[str, Any]:
    """Train each model and compare them; with `options.folds`, cross-validate them instead.

    Parameters
    ----------
    options : TrainOptions
    trainer : Trainer, optional
        By default the executor that the options name. Ray's must be connected.

    Returns
    -------
    dict
        The content of ``comparison.json``, or of ``folds.json``.

    Raises
    ------
    FlipbatchError
        Its message says what to do.
    """
    return (_train if options.folds is None else _cross_validate)(options, trainer)


def _train(options: TrainOptions, trainer: Trainer | None) -> dict[str, Any]:
    directory = RunDirectory.at(options.out)
    found = _found_run(directory, options)
    finished = directory.is_finished
    pretrained = None if finished else pretrained_weights(options)
    manifest = load_manifest(options.frames, options.manifest)
    splits = split_frames(manifest.frames, options.settings.seed)
    if found is None:
        write_table(splits.table(), directory.path(SPLITS_FILE))
    _start(directory, options, found, manifest, [splits], splits.warnings)
    _log_splits(splits)
    if not finished:
        ModelTrainer(options, [splits], pretrained, directory, trainer).train(splits, directory)
        records = {name: model_record(directory, name) for name in options.models}
        tallies = {name: model_tally(directory, name) for name in options.models}
        directory.write_json("comparison.json", compare(records, tallies))
        directory.finish()
    return directory.read_json("comparison.json")


def _cross_validate(options: TrainOptions, trainer: Trainer | None) -> dict[str, Any]:
    assert options.folds is not None
    directory = RunDirectory.at(options.out)
    found = _found_run(directory, options)
    finished = directory.is_finished
    pretrained = None if finished else pretrained_weights(options)
    manifest = load_manifest(options.frames, options.manifest)
    folds = split_folds(manifest.frames, options.folds, options.settings.seed)
    warnings = [*ignored_splits(manifest.frames), *dict.fromkeys(one for fold in folds for one in fold.warnings)]
    _start(directory, options, found, manifest, folds, warnings)
    if not finished:
        models = ModelTrainer(options, folds, pretrained, directory, trainer)
        places = [RunDirectory(directory.path("folds", f"{number:02d}")) for number in range(1, len(folds) + 1)]
        for number, (fold, place) in enumerate(zip(folds, places, strict=True), 1):
            write_table(fold.table(), place.path(SPLITS_FILE))
            models.train(fold, place, f"fold {number}/{len(folds)} ")
        tallies = [{name: model_tally(place, name) for name in options.models} for place in places]
        directory.write_json("folds.json", summarise_folds(options.folds, folds, tallies))
        directory.finish()
    return directory.read_json("folds.json")


def _found_run(directory: RunDirectory, options: TrainOptions) -> dict[str, Any] | None:
    found = directory.identity(_BEFORE_RUN_FILE)
    if found is not None and not options.resume:
        raise OutputError(
            f"{directory.uri} holds a training run: add --resume to go on with it, or choose another --out."
        )
    return found


def _start(
    directory: RunDirectory,
    options: TrainOptions,
    found: dict[str, Any] | None,
    manifest: Manifest,
    splits: list[SplitFrames],
    warnings: Iterable[str],
) -> None:
    """Write ``run.json``, or check that the run found is this one; log warnings."""
    identity = options.identity(fingerprint(splits[0].frames))
    if found is None:
        write_table(manifest.misnamed, directory.path(MISNAMED_FILE))
        directory.begin(identity, warnings=[*options.notes, *warnings])
    else:
        require_same(directory.uri, found, identity)
    if misnamed := manifest.misnamed.num_rows:
        log.warning("%d files are no frames: they are listed in %s.", misnamed, MISNAMED_FILE)
    for warning in warnings:
        log.warning("%s", warning)


def _log_splits(splits: SplitFrames) -> None:
    for split in Split:
        frames = splits.of(split)
        flips = frames["label"].to_pylist().count(Label.FLIP)
        videos, groups = (len(frames[column].unique()) for column in ("video_id", "group"))
        log.info(
            "%-5s %7d frames of %5d videos in %5d groups, %d flip",
            split,
            frames.num_rows,
            videos,
            groups,
            flips,
        )
