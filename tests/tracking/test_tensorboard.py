"""TensorBoard files of real training runs: curves, test frames, resumed runs and folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from flipbatch.tracking.tensorboard import TensorBoard
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.job import train
from tests.conftest import write_frames
from tests.training.cuts import cut_train
from tests.training.runs import options, record

THREE_EPOCHS = Settings(epochs=3)


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def of_history(out: Path, name: str, metric: str) -> list[tuple[int, Any]]:
    """Return a curve as the bundle has it, rounded as TensorBoard stores it."""
    values = [(entry["epoch"] + 1, entry[name][metric]) for entry in record(out)["history"]]
    return [(step, pytest.approx(value)) for step, value in values if value is not None]


@pytest.fixture(scope="module")
def finished(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tensorboard") / "out"
    train(options(labelled_frames, out, settings=THREE_EPOCHS), observers=[TensorBoard()])
    return out


@pytest.mark.parametrize(("key", "folder"), [("train", "train"), ("val", "validation")])
@pytest.mark.parametrize("metric", ["loss", "f1", "balanced_accuracy"])
def test_curves_are_those_of_the_bundle(finished: Path, key: str, folder: str, metric: str) -> None:
    assert curve(finished / "tensorboard/cnn_model" / folder, metric) == of_history(finished, key, metric)


def test_the_learning_rate_falls_to_the_last_epoch(finished: Path) -> None:
    rates = [rate for _, rate in curve(finished / "tensorboard/cnn_model/train", "learning_rate")]
    assert len(rates) == 3
    assert rates[0] > rates[2] >= 0


def test_the_metrics_of_the_test_split_are_at_the_epoch_that_was_kept(finished: Path) -> None:
    card = json.loads((finished / "models/cnn_model/model.json").read_text())
    found = curve(finished / "tensorboard/cnn_model/test", "balanced_accuracy")
    measured = card["metrics"]["test"]["frames"]["balanced_accuracy"]
    assert found == [(card["training"]["best_epoch"] + 1, pytest.approx(measured))]


def test_twelve_test_frames_are_shown(finished: Path) -> None:
    tags = events(finished / "tensorboard/cnn_model/test").Tags()["images"]
    assert tags == [f"frames/{number:02d}" for number in range(1, 13)]


def test_a_finished_run_writes_nothing_again(finished: Path, labelled_frames: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.rglob("*") if file.is_file()}
    again = options(labelled_frames, finished, settings=THREE_EPOCHS, resume=True)
    train(again, observers=[TensorBoard()])
    assert {file: file.stat().st_mtime_ns for file in finished.rglob("*") if file.is_file()} == before


def test_a_finished_run_without_files_gets_them(labelled_frames: Path, tmp_path: Path) -> None:
    wanted = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=1))
    train(wanted)
    train(replace(wanted, resume=True), observers=[TensorBoard(pictures=0)])
    assert len(curve(tmp_path / "out/tensorboard/cnn_model/train", "loss")) == 1
    assert not events(tmp_path / "out/tensorboard/cnn_model/test").Tags()["images"]


def test_a_resumed_run_has_each_epoch_once(labelled_frames: Path, tmp_path: Path, monkeypatch) -> None:
    wanted = options(labelled_frames, tmp_path / "out", settings=THREE_EPOCHS)
    cut_train(wanted, 2, monkeypatch, observers=[TensorBoard()])
    folder = tmp_path / "out/tensorboard/cnn_model/train"
    assert [step for step, _ in curve(folder, "loss")] == [1, 2]
    train(replace(wanted, resume=True), observers=[TensorBoard()])
    assert curve(folder, "loss") == of_history(tmp_path / "out", "train", "loss")


def test_each_fold_has_files_of_its_own(labelled_frames: Path, tmp_path: Path) -> None:
    wanted = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=1), folds=FoldPlan(2))
    train(wanted, observers=[TensorBoard()])
    root = tmp_path / "out/tensorboard"
    folders = {str(file.parent.relative_to(root)) for file in root.rglob("events*")}
    assert folders == {
        f"fold_0{n}/cnn_model/{part}" for n in (1, 2) for part in ("train", "validation", "test")
    }


def test_a_run_without_decoded_test_frames_has_two_curves(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=3, frames=2, folders="training/{label}")
    write_frames(frames, videos=1, frames=2, folders="testing/{label}", first=10)
    for file in (frames / "testing").rglob("*.jpg"):
        file.write_bytes(b"no picture")
    train(options(frames, tmp_path / "out", settings=Settings(epochs=1)), observers=[TensorBoard()])
    assert sorted(one.name for one in (tmp_path / "out/tensorboard/cnn_model").iterdir()) == [
        "train",
        "validation",
    ]
