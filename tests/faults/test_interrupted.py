"""Ctrl-C and SIGTERM in a real job: it ends within 5 s without leaving a process, and can be continued."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Job, descendants, results

SECONDS = 5


def runs(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(") ")[2][0] not in "ZX"


def interrupt(folder: Path, frames: Path, command: tuple[str, ...], how: signal.Signals) -> None:
    """Start a command, and interrupt it after the first commit, as a terminal or `ray job stop` does."""
    job = Job(folder / "interrupted", frames, *command, "--out", str(folder / "out"))
    while not list((folder / "out" / "shards").glob("[0-9]*")):
        assert job.process.poll() is None, job.said
        time.sleep(0.02)
    started, begin = descendants(job.process.pid), time.monotonic()
    (os.killpg if how is signal.SIGINT else os.kill)(job.process.pid, how)
    assert job.wait() == 1
    assert time.monotonic() - begin < SECONDS
    assert job.said.endswith("error: Interrupted. The same command resumes the run.\n")
    assert "Traceback" not in job.said
    time.sleep(0.5)
    assert not [process for process in started if runs(process)]


def interrupt_and_repeat(
    folder: Path,
    frames: Path,
    command: tuple[str, ...],
    how: signal.Signals,
    undisturbed: Path,
    more: tuple[str, ...] = (),
) -> None:
    interrupt(folder, frames, command, how)
    second = Job(folder / "second", frames, *command, *more, "--out", str(folder / "out"))
    assert second.wait() == 0, second.said
    assert results(folder / "out") == results(undisturbed)
    TALLY.count(how.name, 1200)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_local_command(
    how: signal.Signals, tmp_path: Path, frames: Path, score_locally: tuple[str, ...], undisturbed: Path
) -> None:
    interrupt_and_repeat(tmp_path, frames, score_locally, how, undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("how", "more"),
    [
        (signal.SIGTERM, ("--executor", "local")),  # which finishes what Ray began, in less time
        pytest.param(signal.SIGTERM, (), marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, (), marks=pytest.mark.slow),
    ],
)
def test_a_command_with_its_own_ray(
    how: signal.Signals,
    more: tuple[str, ...],
    tmp_path: Path,
    frames: Path,
    score: tuple[str, ...],
    undisturbed: Path,
) -> None:
    interrupt_and_repeat(tmp_path, frames, score, how, undisturbed, more)
