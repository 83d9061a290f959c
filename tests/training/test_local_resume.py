"""Training in this process is killed at any time; the same command with --resume ends the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flipbatch.cli import main
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.job import train
from tests.training.cuts import cut_train
from tests.training.runs import options, record


def weights(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("model.safetensors")}


def epochs_said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message.split(" loss")[0] for message in caplog.messages if " loss" in message]


def test_a_run_resumes_after_its_last_epoch(
    labelled_frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="flipbatch")
    wanted = options(labelled_frames, tmp_path / "cut", settings=Settings(epochs=4))
    cut_train(wanted, 2, monkeypatch)
    assert not (tmp_path / "cut" / "models").exists()
    caplog.clear()
    train(replace(wanted, resume=True))
    assert epochs_said(caplog) == ["cnn_model   3/4", "cnn_model   4/4"]
    train(replace(wanted, out=str(tmp_path / "whole")))
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def test_folds_resume_inside_the_unfinished_fold(
    labelled_frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="flipbatch")
    wanted = options(labelled_frames, tmp_path / "cut", settings=Settings(epochs=3), folds=FoldPlan(2))
    cut_train(wanted, 5, monkeypatch)  # after the second epoch of fold 2
    first = (tmp_path / "cut" / "folds" / "01" / "models" / "cnn_model" / "model.json").stat().st_mtime_ns
    caplog.clear()
    found = train(replace(wanted, resume=True))
    assert epochs_said(caplog) == ["fold 2/2 cnn_model   3/3"]
    assert found == train(replace(wanted, out=str(tmp_path / "whole")))
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert first == (tmp_path / "cut/folds/01/models/cnn_model/model.json").stat().st_mtime_ns


def test_a_killed_command_goes_on(labelled_frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["train", "--frames", str(labelled_frames), "--out", str(out), "--models", "cnn_model"]
    arguments += ["--weights", "none", "--executor", "local", "--epochs", "9", "--patience", "9"]
    command = [sys.executable, "-m", "flipbatch.cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "checkpoints" / "cnn_model.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "models").exists()
    assert main([*arguments, "--resume"]) == 0
    assert [entry["epoch"] for entry in record(out)["history"]] == list(range(9))
