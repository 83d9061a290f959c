"""The command or its workers are killed at random times, several times in a row."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Job, committed, results, workers_of

MANY = 50_000


def test_a_local_command_that_is_killed_at_random_times_finishes(
    tmp_path: Path, frames: Path, score_locally: tuple[str, ...], undisturbed: Path, rounds: int
) -> None:
    kill_at_random_times(4 * rounds, (0.3, 1.5), tmp_path, frames, score_locally, undisturbed)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("kills", [2, 4])
def test_a_ray_command_that_is_killed_at_random_times_finishes(
    kills: int, tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path, rounds: int
) -> None:
    kill_at_random_times(kills * rounds, (1, 12), tmp_path, frames, score, undisturbed)


def kill_at_random_times(
    kills: int,
    seconds: tuple[float, float],
    tmp_path: Path,
    frames: Path,
    score: tuple[str, ...],
    undisturbed: Path,
) -> None:
    chance, out, killed = random.Random(kills), tmp_path / "out", 0
    for number in range(kills):
        done = set().union(*committed(out).values())
        job = Job(tmp_path / str(number), frames, *score, "--out", str(out))
        time.sleep(chance.uniform(*seconds))
        killed += job.kill()
        assert not done & set(job.opened)
    last = Job(tmp_path / "last", frames, *score, "--out", str(out))
    assert last.wait() == 0, last.said
    assert results(out) == results(undisturbed)
    assert killed
    TALLY.count("SIGKILL of the command at a random time", 1200, killed)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_workers_that_are_killed_every_ten_seconds_cost_few_frames(
    tmp_path: Path, many_frames: Path, bundle: str
) -> None:
    out, kills, chance = tmp_path / "out", 0, random.Random(0)
    command = ("jobs/score.py", "--frames", str(many_frames), "--model", bundle, "--max-error-rate", "1")
    job = Job(tmp_path / "job", many_frames, *command, "--out", str(out))
    while job.process.poll() is None:
        time.sleep(10)
        if workers := workers_of(job.process.pid):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                kills += 1
    assert job.wait() == 0, job.said
    opened = job.opened
    assert len(opened) == MANY
    assert sum(opened.values()) <= 1.15 * MANY
    more = sum(opened.values()) / MANY - 1
    TALLY.notes.append(f"{MANY:,} frames, {kills} workers killed: {more:.1%} more decodes")
    TALLY.count("SIGKILL of a worker every 10 s", MANY, kills)
