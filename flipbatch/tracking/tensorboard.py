"""A training run as TensorBoard event files, below ``tensorboard/`` in its directory.

Knows which curves and pictures there are, and in which file. Does not know how a file is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flipbatch import storage
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.storage.parquet import read_table
from flipbatch.tracking.captioned_frames import captioned_frames
from flipbatch.tracking.event_file import EventFile, Value, picture, scalar
from flipbatch.training.fit_model import TEST_FRAMES_FOLDER
from flipbatch.training.observer import Entry, History, ModelFit

FOLDER = "tensorboard"

MOST_PICTURES = 12
"""Of one model."""

_EVENTS_FILE = "events.out.tfevents.flipbatch"
_FOLDERS = {"train": "train", "val": "validation"}
_TEST_FOLDER = "test"
_TEST_METRICS = ("f1", "balanced_accuracy", "precision", "recall")


class TensorBoard:
    """An `Observer` that writes event files.

    ``tensorboard/MODEL/train``, ``MODEL/validation`` and ``MODEL/test`` are runs of TensorBoard; with folds
    they are below ``fold_01`` and so on. The first two have the same tags, so that a chart shows both curves.
    Steps are epochs, counted from 1.

    Parameters
    ----------
    pictures : int
        Test frames of each model to show, at most `MOST_PICTURES`.
    """

    def __init__(self, pictures: int = MOST_PICTURES) -> None:
        self._pictures = min(pictures, MOST_PICTURES)
        self._files: dict[str, EventFile] = {}

    def run_started(self, directory: RunDirectory, parameters: Mapping[str, Any]) -> None:
        """Remember where files are written."""
        self._directory = directory

    def epoch_finished(self, model: ModelFit, history: History) -> None:
        """Write the metrics of epochs, and the learning rate."""
        for key, folder in _FOLDERS.items():
            values = [(_step(entry), value) for entry in history for value in _values(entry, key)]
            self._file(model, folder).add_all(values)

    def model_finished(self, model: ModelFit) -> None:
        """Write all epochs, metrics of the test split at the epoch that was kept, and some test frames."""
        card = model.model_card()
        self.epoch_finished(model, card["history"])
        test = (card["metrics"]["test"] or {}).get("frames", {})
        if not test:
            return
        kept = card["training"]["best_epoch"] + 1
        values = [scalar(name, test[name]) for name in _TEST_METRICS if test.get(name) is not None]
        file = self._file(model, _TEST_FOLDER)
        if not file.has_step(kept):
            file.add(kept, [*values, *self._frames(model)])

    def run_finished(self, result: Mapping[str, Any]) -> None:
        """Write nothing: everything is written."""

    def run_failed(self) -> None:
        """Write nothing: a resumed run goes on."""

    def _file(self, model: ModelFit, folder: str) -> EventFile:
        uri = self._directory.path(FOLDER, model.key, folder, _EVENTS_FILE)
        if uri not in self._files:
            self._files[uri] = EventFile(uri)
        return self._files[uri]

    def _frames(self, model: ModelFit) -> Iterator[Value]:
        uri = model.directory.path(TEST_FRAMES_FOLDER, f"{model.name}.parquet")
        if not self._pictures or not storage.exists(uri):
            return
        for number, frame in enumerate(captioned_frames(read_table(uri), self._pictures), 1):
            yield picture(f"frames/{number:02d}", *frame)


def _step(entry: Entry) -> int:
    return entry["epoch"] + 1


def _values(entry: Entry, key: str) -> Iterator[Value]:
    """Yield the metrics of a pass that are defined; of training also the learning rate."""
    metrics = dict(entry[key])
    if key == "train":
        metrics["learning_rate"] = entry.get("learning_rate")  # an older version did not write it
    return (scalar(name, value) for name, value in metrics.items() if value is not None)
