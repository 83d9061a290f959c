"""A training job that is killed goes on with --resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flipbatch.models.bundle import load_bundle
from flipbatch.training.fit import Settings
from flipbatch.training.job import TrainOptions, train

TRAIN = Path(__file__).parents[2] / "jobs" / "train.py"


def kill_after_a_checkpoint(command: list[str], checkpoints: Path) -> None:
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint_*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.usefixtures("ray_session")
def test_a_killed_run_goes_on_after_its_last_epoch(
    labelled_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(TRAIN), "--frames", str(labelled_frames), "--out", str(out)]
    command += ["--models", "cnn_model", "--epochs", "12", "--patience", "12"]
    monkeypatch.setenv("RAY_ADDRESS", "local")
    kill_after_a_checkpoint(command, out / "checkpoints" / "cnn_model")
    assert not (out / "models").exists()
    settings = Settings(epochs=12, patience=12)
    train(
        TrainOptions(
            frames=str(labelled_frames), out=str(out), models=("cnn_model",), settings=settings, resume=True
        )
    )
    record = load_bundle(str(out / "models" / "cnn_model"))[0].provenance
    assert [entry["epoch"] for entry in record["history"]] == list(range(12))
