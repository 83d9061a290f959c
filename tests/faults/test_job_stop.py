"""`ray job stop` ends a job of scoring within seconds, and the same command goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray_cluster import RAY, Head, run, started_head

pytestmark = [pytest.mark.ray, pytest.mark.slow]

VIDEOS, FRAMES = 200, 100


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    with started_head(tmp_path_factory.mktemp("head"), cpus=2) as head:
        yield head


@pytest.fixture(scope="module")
def manifest(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 rows: half a minute of work."""
    uris = sorted(map(str, labelled_frames.rglob("*.jpg")))
    rows = [f"{uris[n % len(uris)]},v{video},{n}" for video in range(VIDEOS) for n in range(FRAMES)]
    file = tmp_path_factory.mktemp("manifest") / "frames.csv"
    file.write_text("\n".join(["uri,video_id,frame_number", *rows]))
    return file


def shards_in(out: Path) -> int:
    return len(list(out.glob("shards/*.parquet")))


def status_of(head: Head, submission: str) -> str:
    done = run([RAY, "job", "status", "--address", head.address, submission], head.environment)
    return done.stdout + done.stderr


def test_a_job_that_is_stopped_ends_within_seconds_and_goes_on(head: Head, manifest: Path) -> None:
    out = head.folder / "out"
    command = ["python", "jobs/score.py", "--manifest", str(manifest), "--out", str(out)]
    command += ["--model", "pretrained:cnn_model", "pretrained:mobilenet_v2"]
    job = head.submit("first", *command, submission="first")
    deadline = time.monotonic() + 120
    while shards_in(out) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    began = time.monotonic()
    run([RAY, "job", "stop", "--no-wait", "--address", head.address, "first"], head.environment)
    job.client.wait(timeout=30)  # exit code 0: it was asked to stop
    assert time.monotonic() - began < 10  # 2 to 4 s of it are the start of the `ray` command
    assert "STOPPED" in status_of(head, "first").upper()
    assert "the same command resumes the run" in job.output.read_text().lower()
    committed = shards_in(out)
    time.sleep(3)
    assert 2 <= shards_in(out) == committed, "workers of the stopped job go on"
    code, output = head.submit("second", *command, submission="second").wait()
    assert code == 0, output
    assert "Resuming:" in output
    assert (out / "_SUCCESS").exists()
