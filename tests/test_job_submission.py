"""The README's local cluster: `ray start --head` with a token, and `ray job submit` of train and score.

All jobs are submitted at once: most of a job's time is waiting for processes to start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flipbatch.evaluation.calibration import Calibration
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import Bundle, as_arrays, save_bundle
from tests.ray_cluster import RAY, Head, Job, run, started_head

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head of 2 CPUs."""
    with started_head(tmp_path_factory.mktemp("head"), cpus=2) as head:
        yield head


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained `cnn_model`: scoring need not wait for the training job."""
    folder, chosen = tmp_path_factory.mktemp("bundle") / "cnn_model", architecture("cnn_model")
    weights = as_arrays(chosen.build().state_dict())
    save_bundle(Bundle("cnn_model", "cnn_model", chosen.input_size, Calibration(), weights), str(folder))
    return folder


@pytest.fixture(scope="module")
def jobs(bundle: Path, head: Head, labelled_frames: Path) -> Iterator[dict[str, Job]]:
    """Submit all jobs at once."""
    score = ["python", "jobs/score.py", "--frames", str(labelled_frames), "--model", str(bundle), "--out"]
    train = ["python", "jobs/train.py", "--frames", str(labelled_frames), "--models", "cnn_model", "--out"]
    jobs = {
        "train": head.submit("train", *train, str(head.folder / "trained"), "--epochs", "1"),
        "score": head.submit("score", *score, str(head.folder / "scored")),
        "relative": head.submit("relative", *score, "out"),
    }
    yield jobs
    for job in jobs.values():
        job.client.kill()
        job.client.wait()


def test_without_the_token_a_submission_is_refused(head: Head) -> None:
    stranger = head.environment | {"RAY_AUTH_MODE": "disabled"}
    done = run([RAY, "job", "submit", "--address", head.address, "--", "true"], stranger)
    assert done.returncode != 0
    assert "Unauthorized" in done.stdout + done.stderr


def test_a_relative_output_of_a_submitted_job_is_refused(jobs: dict[str, Job]) -> None:
    code, output = jobs["relative"].wait()
    assert code == 1
    assert "--out out is relative" in output


def test_score_is_submitted(jobs: dict[str, Job], head: Head) -> None:
    code, output = jobs["score"].wait()
    assert code == 0, output
    assert "scored 64 of 64 frames" in output
    metrics = json.loads((head.folder / "scored" / "metrics.json").read_text())
    assert metrics["frames"]["scored"] == 64


def test_train_is_submitted(jobs: dict[str, Job], head: Head) -> None:
    code, output = jobs["train"].wait()
    assert code == 0, output
    assert json.loads((head.folder / "trained" / "comparison.json").read_text())["best"] == "cnn_model"
