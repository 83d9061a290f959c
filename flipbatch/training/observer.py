"""What others are told of a training run while it trains: its epochs, its models and its end.

Knows the interface of observers, and that a failing one does not stop the training. Does not know what
observers do, networks or Ray.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from flipbatch.models.bundle import MODEL_CARD_FILE
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.storage.reasons import first_line
from flipbatch.training.fit_model import MODELS_FOLDER

log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
"""One epoch: ``epoch``, counted from 0; ``train`` and ``val`` metrics; ``learning_rate``; see `Fitted`."""

History = Sequence[Entry]
"""All finished epochs of one fit, in order."""

EpochFinished = Callable[[History], None]
"""Called in the process of the command after an epoch. A call may be left out: the next one says all."""

PASSES = ("train", "val")
"""Keys of an epoch's metrics."""


def epoch_metrics(entry: Entry) -> dict[str, float]:
    """Return the numbers of one epoch by name: ``train_loss``, ``val_f1``, ``learning_rate`` and so on.

    Values that are undefined, such as the F1 of an epoch that found no flip, are left out. A loss may be NaN.
    """
    passes = {f"{name}_{metric}": value for name in PASSES for metric, value in entry[name].items()}
    # Epochs that an older version trained have no learning rate.
    metrics = {**passes, "learning_rate": entry.get("learning_rate")}
    return {name: float(value) for name, value in metrics.items() if value is not None}


@dataclass(frozen=True)
class ModelFit:
    """One model of a run, on its split or on one fold.

    Attributes
    ----------
    name : str
        Of the model.
    fold : int or None
        Counted from 1; None without folds.
    directory : RunDirectory
        Where its bundle and its tables are.
    """

    name: str
    fold: int | None
    directory: RunDirectory

    @property
    def key(self) -> str:
        """``cnn_model``, or ``fold_01/cnn_model``; no two of a run are equal."""
        return self.name if self.fold is None else f"fold_{self.fold:02d}/{self.name}"

    @property
    def bundle(self) -> str:
        """URI of the bundle's directory."""
        return self.directory.path(MODELS_FOLDER, self.name)

    def model_card(self) -> dict[str, Any]:
        """Return the content of the bundle's ``model.json``; it is there once the model is finished.

        Raises
        ------
        OutputError, StorageError
        """
        return self.directory.read_json(f"{MODELS_FOLDER}/{self.name}/{MODEL_CARD_FILE}")


class Observer(Protocol):
    """Records a run somewhere.

    A run may be interrupted and resumed, and a worker may repeat an epoch: each call may tell again what was
    told before, also by another process. An observer records what it does not have yet. Calls come one after
    the other, from any thread.
    """

    def run_started(self, directory: RunDirectory, parameters: Mapping[str, Any]) -> None:
        """Begin or continue. An error stops the command, before its work.

        Parameters
        ----------
        directory : RunDirectory
            Its ``run.json`` is written.
        parameters : mapping
            Plain JSON values: what defines the run.
        """
        ...

    def epoch_finished(self, model: ModelFit, history: History) -> None:
        """Record the epochs of a model that is trained."""
        ...

    def model_finished(self, model: ModelFit) -> None:
        """Record a model whose bundle and tables are written, and all of its epochs."""
        ...

    def run_finished(self, result: Mapping[str, Any]) -> None:
        """Record the result: the content of ``comparison.json`` or ``folds.json``. The report is written."""
        ...

    def run_failed(self) -> None:
        """Record that the command ends before its run is finished."""
        ...


PAUSE_SECONDS = 300.0
"""For so long an observer that failed is told of no epoch: a server that hangs must not delay each one."""


class Observers:
    """All observers of a run. Training goes on without one that fails; a warning says why.

    Parameters
    ----------
    observers : sequence of Observer
    clock : callable
        Returns seconds; tests set it.
    """

    def __init__(
        self, observers: Sequence[Observer] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observers, self._clock = observers, clock
        self._paused_until = [-math.inf] * len(observers)
        self._lock = Lock()

    def run_started(self, directory: RunDirectory, parameters: Mapping[str, Any]) -> None:
        """Tell all; an error is raised."""
        for observer in self._observers:
            observer.run_started(directory, parameters)

    def epoch_finished(self, model: ModelFit, history: History) -> None:
        """Tell all that can be told, but for those that failed a while ago: a later call says all."""
        self._tell(lambda observer: observer.epoch_finished(model, history), PAUSE_SECONDS)

    def model_finished(self, model: ModelFit) -> None:
        """Tell all that can be told."""
        self._tell(lambda observer: observer.model_finished(model))

    def run_finished(self, result: Mapping[str, Any]) -> None:
        """Tell all that can be told."""
        self._tell(lambda observer: observer.run_finished(result))

    def run_failed(self) -> None:
        """Tell all that can be told."""
        self._tell(lambda observer: observer.run_failed())

    def _tell(self, call: Callable[[Observer], None], pause: float = 0.0) -> None:
        """Call all observers, one after the other; with `pause` only those that are not paused."""
        with self._lock:
            for number, observer in enumerate(self._observers):
                if pause and self._clock() < self._paused_until[number]:
                    continue
                try:
                    call(observer)
                except Exception as error:  # whatever a tracking server does, the training is worth more
                    self._paused_until[number] = self._clock() + pause
                    log.warning(
                        "%s can't record the training: %s. Training goes on; the same command with --resume "
                        "records what is missing.",
                        type(observer).__name__,
                        first_line(error),
                        exc_info=log.isEnabledFor(logging.DEBUG),
                    )
