"""A worker that ends while it loads the models is restarted, a limited number of times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Fault, Job, results

pytestmark = pytest.mark.ray

LOADING = Fault("imported", r"^openvino$", "process")


@pytest.mark.slow
def test_a_worker_that_ends_three_times_while_it_loads_costs_nothing(
    tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    out = tmp_path / "out"
    job = Job(tmp_path / "job", frames, *score, "--out", str(out), faults=[LOADING] * 3)
    assert job.wait() == 0, job.said
    assert job.faults_done == 3
    assert results(out) == results(undisturbed)
    TALLY.count("SIGKILL of a worker that loads", 1200, 3)


@pytest.mark.slow
def test_a_worker_that_always_ends_while_it_loads_is_one_sentence(
    tmp_path: Path, frames: Path, score: tuple[str, ...]
) -> None:
    job = Job(tmp_path / "job", frames, *score, "--out", str(tmp_path / "out"), faults=[LOADING] * 50)
    assert job.wait() == 1, job.said
    assert "5 workers ended while they scored shard" in job.said
    assert "Traceback" not in job.said
    assert job.faults_done < 50
    TALLY.count("SIGKILL of a worker that loads", 0, job.faults_done)
