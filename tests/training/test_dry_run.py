"""Facts about ``flipbatch train --dry-run``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from flipbatch.cli import main
from flipbatch.errors import OutputError
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.job import dry_run, train
from tests.training.runs import options


def test_the_splits_add_up_and_nothing_is_written(labelled_frames: Path, tmp_path: Path) -> None:
    lines = dry_run(options(labelled_frames, tmp_path / "out"))
    assert lines[0] == f"would write to {tmp_path / 'out'}"
    assert [line.split()[0] for line in lines[1:4]] == ["train", "val", "test"]
    assert sum(int(line.split()[1]) for line in lines[1:4]) == 64
    assert not (tmp_path / "out").exists()


def test_each_fold_has_its_splits(labelled_frames: Path, tmp_path: Path) -> None:
    lines = dry_run(options(labelled_frames, tmp_path / "out", folds=FoldPlan(2)))
    assert [line[:12].strip() for line in lines[1:7]] == [
        f"fold {fold} {split}" for fold in (1, 2) for split in ("train", "val", "test")
    ]


def test_the_command_prints_settings_and_warnings(
    labelled_frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--frames", str(labelled_frames), "--out", str(tmp_path / "out"), "--epochs", "7"]
    assert main(["train", "--dry-run", "--weights", "none", *arguments]) == 0
    said = capsys.readouterr().out
    assert "models: cnn_model, mobilenet_v2, from weights none\n" in said
    assert "settings: at most 7 epochs, patience 8, min-delta 0, seed 0, 1 worker\n" in said
    assert "has frames under both labels" in said


def test_the_time_is_that_of_decoding_and_of_each_model(labelled_frames: Path, tmp_path: Path) -> None:
    wanted = options(labelled_frames, tmp_path / "out", models=("cnn_model", "mobilenet_v2"))
    (line,) = (line for line in dry_run(wanted) if line.startswith("time:"))
    time = r"\d+ (s|min)"
    parts = f"decoding {time}, cnn_model {time}, mobilenet_v2 {time}"
    assert re.match(rf"time: at most about {time} on 1 core \({parts}; estimated from 8 frames", line)


def test_more_epochs_and_folds_take_longer(labelled_frames: Path, tmp_path: Path) -> None:
    few = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=400))
    many = replace(few, settings=Settings(epochs=40_000))
    for wanted, unit in ((few, "s|min"), (many, "min|h"), (replace(many, folds=FoldPlan(4)), "h")):
        (line,) = (line for line in dry_run(wanted) if line.startswith("time:"))
        assert re.match(rf"time: at most about \d+ ({unit}) on 1 core", line)


def test_a_dry_run_does_not_guess_how_fast_gpus_and_several_workers_are(
    labelled_frames: Path, tmp_path: Path
) -> None:
    wanted = options(labelled_frames, tmp_path / "out")
    assert "time: no estimate with --gpu" in dry_run(replace(wanted, gpu=True))
    assert "time: no estimate with several workers" in dry_run(replace(wanted, workers=2))


def test_a_finished_run_says_so_and_another_one_is_refused(labelled_frames: Path, tmp_path: Path) -> None:
    done = options(labelled_frames, tmp_path / "out")
    train(done)
    assert dry_run(replace(done, resume=True))[0] == f"has finished {tmp_path / 'out'}"
    with pytest.raises(OutputError, match="add --resume"):
        dry_run(done)
    other = replace(done, resume=True, settings=replace(done.settings, seed=5))
    with pytest.raises(OutputError, match="seed"):
        dry_run(other)
