"""Observers of a training run: what they are told, and that one that fails does not stop it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flipbatch.errors import StorageError
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.training.fit import Settings
from flipbatch.training.job import train
from flipbatch.training.observer import PAUSE_SECONDS, ModelFit, Observers, epoch_metrics
from tests.training.cuts import cut_train
from tests.training.runs import options

ENTRY = {
    "epoch": 4,
    "train": {"loss": 0.5, "f1": 0.75},
    "val": {"loss": 0.25, "f1": None},
    "learning_rate": 0.1,
}


class Diary:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def run_started(self, directory: RunDirectory, parameters: Any) -> None:
        self.said.append(("started", parameters["command"]))

    def epoch_finished(self, model: ModelFit, history: Any) -> None:
        self.said.append(("epoch", model.key, len(history)))

    def model_finished(self, model: ModelFit) -> None:
        self.said.append(("model", model.key, len(model.model_card()["history"])))

    def run_finished(self, result: Any) -> None:
        self.said.append(("finished", result["best"]))

    def run_failed(self) -> None:
        self.said.append("failed")


class Failing(Diary):
    """An observer that can't write down anything but the start."""

    def epoch_finished(self, model: ModelFit, history: Any) -> None:
        raise StorageError("The disk is full.")

    def model_finished(self, model: ModelFit) -> None:
        raise KeyError("metrics")


def test_metrics_that_are_undefined_are_left_out() -> None:
    assert epoch_metrics(ENTRY) == {
        "train_loss": 0.5,
        "train_f1": 0.75,
        "val_loss": 0.25,
        "learning_rate": 0.1,
    }
    assert "learning_rate" not in epoch_metrics({key: ENTRY[key] for key in ("epoch", "train", "val")})


def test_an_observer_is_told_of_the_whole_run(labelled_frames: Path, tmp_path: Path) -> None:
    diary = Diary()
    train(options(labelled_frames, tmp_path / "out"), observers=[diary])
    epochs = [("epoch", "cnn_model", 1), ("epoch", "cnn_model", 2)]
    assert diary.said == [
        ("started", "train"),
        *epochs,
        ("model", "cnn_model", 2),
        ("finished", "cnn_model"),
    ]


def test_a_resumed_run_tells_of_earlier_epochs_too(
    labelled_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = Diary()
    wanted = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=3))
    cut_train(wanted, 2, monkeypatch, observers=[diary])
    assert diary.said[-1] == "failed"
    diary.said.clear()
    train(replace(wanted, resume=True), observers=[diary])
    assert diary.said[1] == ("epoch", "cnn_model", 3)
    assert [said[0] for said in diary.said] == ["started", "epoch", "model", "finished"]


def test_an_observer_that_failed_is_not_told_of_epochs_for_a_while(tmp_path: Path) -> None:
    now, told = [0.0], list[int]()

    class Hanging(Diary):
        def epoch_finished(self, model: ModelFit, history: Any) -> None:
            told.append(len(history))
            raise StorageError("The server hangs.")

    observers = Observers([Hanging()], clock=lambda: now[0])
    fit = ModelFit("cnn_model", None, RunDirectory(str(tmp_path)))
    for seconds, epochs in ((0.0, 1), (10.0, 2), (PAUSE_SECONDS + 1, 3)):
        now[0] = seconds
        observers.epoch_finished(fit, [ENTRY] * epochs)
    assert told == [1, 3]


def test_an_observer_that_fails_does_not_stop_the_training_or_other_observers(
    labelled_frames: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    diary = Diary()
    wanted = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=1))
    train(wanted, observers=[Failing(), diary])
    assert [said[0] for said in diary.said] == ["started", "epoch", "model", "finished"]
    assert "Failing can't record the training: The disk is full. Training goes on" in caplog.text
    assert "'metrics'. Training goes on" in caplog.text
