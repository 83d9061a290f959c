"""Training on a real Ray cluster: two workers, early stopping, failures, resume."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flipbatch.errors import InputError, OutputError, StorageError
from flipbatch.models.bundle import load_bundle
from flipbatch.training import job
from flipbatch.training.fit import Settings
from flipbatch.training.job import TrainOptions, train
from tests.conftest import write_frames

pytestmark = pytest.mark.usefixtures("ray_session")


def options(frames: Path | None, out: Path, **changes: object) -> TrainOptions:
    chosen: dict[str, object] = {
        "frames": frames and str(frames),
        "out": str(out),
        "models": ("cnn_model",),
        "weights": "none",
        "settings": Settings(epochs=6, patience=2, min_delta=0.0),
    }
    return TrainOptions(**(chosen | changes))  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def two_workers(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """A run of two workers that early stopping ends: no epoch can improve by so much."""
    out = tmp_path_factory.mktemp("two") / "out"
    train(options(labelled_frames, out, workers=2, settings=Settings(epochs=6, patience=2, min_delta=100.0)))
    return out


def test_two_workers_stop_early_together(two_workers: Path) -> None:
    record = load_bundle(str(two_workers / "models" / "cnn_model"))[0].provenance
    assert record["training"]["stopped_early"]
    assert record["training"]["epochs_run"] == 3
    assert record["training"]["best_epoch"] == 0


def test_the_metrics_of_two_workers_are_those_of_the_whole_set(two_workers: Path) -> None:
    record = load_bundle(str(two_workers / "models" / "cnn_model"))[0].provenance
    splits = pq.read_table(two_workers / "splits.parquet").to_pandas()
    counted = record["metrics"]["validation"]["frames"]
    assert (
        sum(counted[name] for name in ("tp", "fp", "fn", "tn")) == splits[splits.split == "val"].frames.sum()
    )


def test_splits_are_by_video_and_add_up(two_workers: Path) -> None:
    splits = pq.read_table(two_workers / "splits.parquet").to_pandas()
    assert splits.frames.sum() == 64
    assert splits.groupby("video_id").split.nunique().max() == 1
    assert set(splits.split) == {"train", "val", "test"}


def test_a_comparison_names_the_best_and_success_comes_last(two_workers: Path) -> None:
    comparison = json.loads((two_workers / "comparison.json").read_text())
    assert comparison["best"] == "cnn_model"
    assert comparison["models"]["cnn_model"]["frames"]["f1"] is not None
    assert (two_workers / "_SUCCESS").exists()


def test_a_run_is_not_overwritten(two_workers: Path, labelled_frames: Path) -> None:
    with pytest.raises(OutputError, match="add --resume"):
        train(options(labelled_frames, two_workers))


def test_a_resume_with_other_settings_is_refused(two_workers: Path, labelled_frames: Path) -> None:
    with pytest.raises(OutputError, match="seed was 0 and is now 7"):
        train(options(labelled_frames, two_workers, resume=True, settings=Settings(6, 2, 100.0, seed=7)))


def test_resuming_a_finished_run_returns_its_comparison(two_workers: Path, labelled_frames: Path) -> None:
    again = options(
        labelled_frames, two_workers, resume=True, settings=Settings(epochs=6, patience=2, min_delta=100.0)
    )
    assert train(again) == json.loads((two_workers / "comparison.json").read_text())


def test_both_models_train_and_are_compared(labelled_frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    both = ("cnn_model", "mobilenet_v2")
    comparison = train(options(labelled_frames, out, models=both, settings=Settings(epochs=1)))
    assert set(comparison["models"]) == set(both)
    assert load_bundle(str(out / "models" / "mobilenet_v2"))[0].provenance["training"]["weights"] == "none"


def test_the_same_seed_gives_the_same_weights(labelled_frames: Path, tmp_path: Path) -> None:
    fingerprints = []
    for run in ("a", "b"):
        train(options(labelled_frames, tmp_path / run, settings=Settings(epochs=2, seed=3)))
        weights = tmp_path / run / "models" / "cnn_model" / "model.safetensors"
        fingerprints.append(weights.read_bytes())
    assert fingerprints[0] == fingerprints[1]


def test_a_killed_worker_is_replaced_and_goes_on(labelled_frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killer = threading.Thread(target=kill_a_worker_after_a_checkpoint, args=(out,), daemon=True)
    killer.start()
    train(options(labelled_frames, out, settings=Settings(epochs=8, patience=8)))
    killer.join(timeout=1)
    assert not killer.is_alive(), "no worker was killed"
    history = load_bundle(str(out / "models" / "cnn_model"))[0].provenance["history"]
    assert [entry["epoch"] for entry in history] == list(range(8))


def kill_a_worker_after_a_checkpoint(out: Path) -> None:
    checkpoints = out / "checkpoints" / "cnn_model"
    while not list(checkpoints.glob("checkpoint_*")):
        time.sleep(0.02)
    os.kill(training_workers()[0], signal.SIGKILL)


def training_workers() -> list[int]:
    """Process ids of this session's training workers."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and is_own(process):
            found.append(int(process.name))
    return found


def is_own(process: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
        environment = (process / "environ").read_bytes()
    except OSError:
        return False
    return b"RayTrainWorker" in command and f"FLIPBATCH_TESTS={os.getpid()}".encode() in environment


def test_frames_that_cannot_be_decoded_are_listed_and_not_counted(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=4)
    (frames / "flip" / "0000_000000000.jpg").write_bytes(b"this is no picture at all")
    train(options(frames, tmp_path / "out", settings=Settings(epochs=1)))
    failures = pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist()
    assert [(row["uri"], row["status"]) for row in failures] == [
        (str(frames / "flip" / "0000_000000000.jpg"), "unsupported")
    ]
    data = load_bundle(str(tmp_path / "out" / "models" / "cnn_model"))[0].provenance["data"]
    assert sum(data["failed"].values()) == 1
    assert sum(data["frames"].values()) == 31


def test_where_storage_withholds_frames_training_waits_for_them(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=4)
    away = [frames / "flip" / f"0000_00000000{number}.jpg" for number in range(2)]
    table = tmp_path / "frames.csv"
    table.write_text("uri\n" + "\n".join(map(str, sorted(frames.rglob("*.jpg")))))
    for file in away:
        file.rename(file.with_suffix(".away"))
    wanted = options(None, tmp_path / "out", manifest=str(table), settings=Settings(epochs=1))
    with pytest.raises(StorageError, match=r"2 of 32 frames are missing or unreadable, more than 5%"):
        train(wanted)
    for file in away:
        file.with_suffix(".away").rename(file)
    train(replace(wanted, resume=True))
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert not (tmp_path / "out" / "failures.parquet").exists()


def test_weights_of_another_content_are_other_weights(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    one = job._identity(options(tmp_path, tmp_path, weights=str(file)), "data")
    file.write_bytes(b"two")
    assert job._identity(options(tmp_path, tmp_path, weights=str(file)), "data") != one


def test_a_class_that_cannot_be_decoded_is_an_error(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=2)
    for file in (frames / "flip").iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match="No flip frame of the training split can be decoded"):
        train(options(frames, tmp_path / "out"))


def test_more_workers_than_frames_is_an_error(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=3, frames=1)
    with pytest.raises(InputError, match="use fewer --workers"):
        train(options(frames, tmp_path / "out", workers=9))


def test_a_supplied_split_that_shares_videos_is_told_in_the_bundle(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=4, folders="training/{label}")
    write_frames(frames, videos=4, frames=2, folders="testing/{label}")
    comparison = train(options(frames, tmp_path / "out", settings=Settings(epochs=1)))
    data = load_bundle(str(tmp_path / "out" / "models" / "cnn_model"))[0].provenance["data"]
    assert data["shared_videos"][0] == {
        "split": "test",
        "shared_videos": 8,
        "videos": 8,
        "shared_frames": 16,
        "frames": 16,
    }
    unseen = comparison["models"]["cnn_model"]["test_unseen_videos"]["frames"]
    assert unseen["tp"] + unseen["fn"] + unseen["fp"] + unseen["tn"] == 4
