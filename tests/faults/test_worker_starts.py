"""A worker that ends in its start is started again, but not without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Fault, Job, results

START = Fault("renamed", r"/tries/\.?start-", "process")


@pytest.mark.slow
def test_a_worker_that_ends_three_times_in_its_start_costs_nothing(
    tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    out = tmp_path / "out"
    job = Job(tmp_path / "job", frames, *score, "--out", str(out), faults=[START] * 3)
    assert job.wait() == 0, job.said
    assert job.faults_done == 3
    assert results(out) == results(undisturbed)
    TALLY.count("SIGKILL of a worker in its start", 1200, 3)


@pytest.mark.slow
def test_a_worker_that_always_ends_in_its_start_is_one_sentence(
    tmp_path: Path, frames: Path, score: tuple[str, ...]
) -> None:
    job = Job(tmp_path / "job", frames, *score, "--out", str(tmp_path / "out"), faults=[START] * 50)
    assert job.wait() == 1, job.said
    assert "A worker ended 5 times before it had loaded the models: most likely they lack memory" in job.said
    assert "Traceback" not in job.said
    assert job.faults_done <= 2 * 5
    TALLY.count("SIGKILL of a worker in its start", 0, job.faults_done)
