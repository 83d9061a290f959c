"""Facts about `flipbatch.scoring.estimate`, and the line that a dry run prints."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from flipbatch.models.bundle import Bundle
from flipbatch.scoring.dry_run import dry_run
from flipbatch.scoring.estimate import Rate, estimate_line, measure_rate, sample_of
from flipbatch.scoring.job import ScoreOptions
from tests.scoring.conftest import Frames, manifest_of, score

TIME = r"time: about \d+ s on 1 core \([\d,]+ frames/s, estimated from (\d+) frames?\)"


def rows(count: int) -> Frames:
    return [("video", number, f"/none/video_{number}.jpg", None) for number in range(count)]


def test_the_sample_is_the_first_rows_and_as_many_from_the_middle() -> None:
    sample = sample_of(manifest_of(rows(1000)).frames)
    assert sample["frame_number"].to_pylist() == [*range(16), *range(500, 516)]


@pytest.mark.parametrize(("count", "timed"), [(1, 1), (16, 16), (17, 1), (1000, 16)])
def test_frames_are_timed_after_others_have_warmed_up(count: int, timed: int, tiny_bundle: Bundle) -> None:
    rate = measure_rate(manifest_of(rows(count)).frames, [tiny_bundle])
    assert rate.frames == timed
    assert rate.per_second > 0


def test_the_estimate_is_the_start_and_the_frames_on_all_cores() -> None:
    line = estimate_line(60_000, Rate(62.5, 16), cores=4, start_seconds=8)
    assert line == "time: about 4 min on 4 cores (250 frames/s, estimated from 16 frames)"


@pytest.fixture
def options(frames: Path, bundles: tuple[str, str], tmp_path: Path) -> ScoreOptions:
    return ScoreOptions(frames=str(frames), models=bundles, out=str(tmp_path / "out"), executor="local")


def test_a_dry_run_says_how_long_the_run_would_take(options: ScoreOptions) -> None:
    found = re.search(TIME, "\n".join(dry_run(options)))
    assert found
    assert found[1] == "11"  # of 27: the first 16 warm up


def test_a_dry_run_of_a_resume_counts_what_is_left(options: ScoreOptions, tmp_path: Path) -> None:
    score(options)
    assert "time:" not in "\n".join(dry_run(options))
    (tmp_path / "out" / "_SUCCESS").unlink()
    (tmp_path / "out" / "shards" / "000000000.parquet").unlink()
    assert re.search(TIME, "\n".join(dry_run(options)))


def test_a_dry_run_does_not_guess_how_fast_a_gpu_is(options: ScoreOptions) -> None:
    assert "time: no estimate with --gpu" in dry_run(dataclasses.replace(options, gpu=True))
