"""Training that is killed in any epoch ends, resumed, with the same epochs and the same weights."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import write_frames
from tests.faults.harness import TALLY, Job, command_line, descendants

pytestmark = pytest.mark.ray

EPOCHS = 6


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("train"), videos=6, frames=4)


def train(frames: Path, folder: Path, out: Path, *more: str) -> Job:
    options = ("--models", "cnn_model", "--weights", "none", "--epochs", str(EPOCHS), "--patience", "3")
    return Job(folder, frames, "jobs/train.py", "--frames", str(frames), "--out", str(out), *options, *more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, labelled: Path) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed-training")
    job = train(labelled, folder / "job", folder / "out")
    assert job.wait() == 0, job.said
    return folder / "out"


def outcome(out: Path) -> tuple[bytes, dict[str, object]]:
    folder = out / "models" / "cnn_model"
    card = json.loads((folder / "model.json").read_text())
    return (folder / "model.safetensors").read_bytes(), card["history"]


def wait_for_epoch(job: Job, epoch: int) -> None:
    """Wait until an epoch is done; for 0, until there is a worker."""
    while job.process.poll() is None:
        if f"{epoch}/{EPOCHS} loss" in job.said or (epoch == 0 and workers(job)):
            return
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", range(EPOCHS + 1))
@pytest.mark.parametrize("who", ["command", "worker"])
def test_training_killed_in_any_epoch_ends_the_same(
    who: str, epoch: int, labelled: Path, undisturbed: Path, tmp_path: Path
) -> None:
    first = train(labelled, tmp_path / "first", tmp_path / "out")
    wait_for_epoch(first, epoch)
    killed = first.kill() if who == "command" else kill_workers(first)
    if first.wait() != 0:
        again = train(labelled, tmp_path / "again", tmp_path / "out", "--resume")
        assert again.wait() == 0, again.said
    assert outcome(tmp_path / "out") == outcome(undisturbed)
    assert killed or epoch == EPOCHS  # which may be over by then
    TALLY.count(f"SIGKILL of training's {who}", 48, killed)


def kill_workers(job: Job) -> int:
    found = workers(job)
    for worker in found:
        os.kill(worker, signal.SIGKILL)
    return len(found)


def workers(job: Job) -> list[int]:
    return [pid for pid in descendants(job.process.pid) if "RayTrainWorker" in command_line(pid)]
