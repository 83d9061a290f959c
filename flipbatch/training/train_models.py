"""All models of a run are trained on one set of splits, into one directory.

Knows which models are still to be trained, and what each starts from; knows no Ray and no network.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from flipbatch import storage
from flipbatch.evaluation.tally import ModelTally
from flipbatch.evaluation.videos import tally
from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import MODEL_CARD_FILE, load_bundle
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import Split
from flipbatch.storage.parquet import read_table
from flipbatch.training.decode_once import DecodeOnce, decoded_counts
from flipbatch.training.fit_model import CHECKPOINTS_FOLDER, TEST_VIDEOS_FOLDER, FitTask, epoch_line
from flipbatch.training.leak import count_leaks, leak_warnings
from flipbatch.training.observer import History, ModelFit, Observers
from flipbatch.training.options import TrainOptions
from flipbatch.training.splits import SplitFrames
from flipbatch.training.start import Start
from flipbatch.training.trainer import Trainer, trainer_for

log = logging.getLogger(__name__)


class ModelTrainer:
    """Trains the models of one command, on one split or on each fold.

    Parameters
    ----------
    options : TrainOptions
    splits : list of SplitFrames
        Of the same rows: one for a plain run, one per fold for cross-validation.
    starts : dict of str to Start
        What each model starts from; empty if none is to be trained.
    directory : RunDirectory
        Of the whole run.
    observers : Observers
        Are told of epochs and models.
    trainer : Trainer, optional
        By default the executor that the options name.

    Attributes
    ----------
    splits : list of SplitFrames
    """

    def __init__(
        self,
        options: TrainOptions,
        splits: list[SplitFrames],
        starts: Mapping[str, Start],
        directory: RunDirectory,
        observers: Observers,
        trainer: Trainer | None = None,
    ) -> None:
        self._options, self._starts, self._observers = options, starts, observers
        self.splits = splits
        trainer = trainer or trainer_for(options.executor, options.workers, options.gpu)
        self._frames = DecodeOnce(trainer, splits, directory)

    def train(self, splits: SplitFrames, fits: Sequence[ModelFit], prefix: str = "") -> None:
        """Train each model that has no bundle yet, and tell of all.

        Parameters
        ----------
        splits : SplitFrames
            One of those that the trainer was made with.
        fits : sequence of ModelFit
            In one directory, where ``models/``, ``test_videos/`` and ``test_frames/`` are written.
        prefix : str
            Put before a model's name in log lines.
        """
        for fit in fits:
            if not storage.exists(storage.join(fit.bundle, MODEL_CARD_FILE)):
                self._train_one(fit, splits, prefix)
            self._observers.model_finished(fit)
        for directory in {fit.directory for fit in fits}:
            storage.remove_folder(directory.path(CHECKPOINTS_FOLDER))

    def _train_one(self, fit: ModelFit, splits: SplitFrames, prefix: str) -> None:
        options = self._options
        frames = self._frames.at(architecture(fit.name).input_size)
        task = FitTask(
            name=fit.name,
            title=prefix + fit.name,
            settings=options.settings,
            start=self._starts[fit.name],
            splits=splits.names,
            out=fit.directory.uri,
            data=_data(splits, options.notes, frames.outcomes),
        )

        def epoch_finished(history: History) -> None:
            log.info("%s", epoch_line(task, history[-1]))
            self._observers.epoch_finished(fit, history)

        frames.fit(task, epoch_finished)


def data_provenance(splits: SplitFrames, notes: tuple[str, ...]) -> dict[str, Any]:
    """Return what a model card says of its frames, before they are decoded."""
    return {
        "fingerprint": manifest_fingerprint(splits.frames),
        "frames": {split: splits.of(split).num_rows for split in Split},
        "videos": splits.count("video_id"),
        "groups": splits.count("group"),
        "shared_videos": [vars(shared) for shared in splits.shared],
        "warnings": [*notes, *splits.warnings],
    }


def _data(splits: SplitFrames, notes: tuple[str, ...], outcomes: pa.Table) -> dict[str, Any]:
    """Return what a model card says of its frames, decoded."""
    leaks = count_leaks(outcomes, [splits])
    before = data_provenance(splits, notes)
    return {
        **before,
        **decoded_counts(outcomes, splits),
        "leak": leaks[0].to_json(),
        "warnings": [*before["warnings"], *leak_warnings(leaks)],
    }


def model_provenance(fit: ModelFit) -> Mapping[str, Any]:
    """Return how a trained model was made: metrics, data, training and history."""
    return load_bundle(fit.bundle)[0].provenance


def model_tally(fit: ModelFit) -> ModelTally:
    """Return a trained model's tally of the test split."""
    return tally(read_table(fit.directory.path(TEST_VIDEOS_FOLDER, f"{fit.name}.parquet")))
