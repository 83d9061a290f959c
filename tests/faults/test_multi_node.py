"""Several nodes: a head without CPUs and three raylets, frames and output on S3, and a job that is submitted.

The raylet of one node is killed under way. All of it runs on this machine, with real processes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest

from flipbatch.scoring.job import ScoreOptions
from tests.conftest import jpeg
from tests.faults.harness import ROOT, TALLY, command_line, descendants, results, workers_of
from tests.ray_cluster import Head, free_port, started_head, started_node
from tests.scoring.conftest import score

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

BUCKET = "nodes"
FRAMES, SHARDS = 1200, 10


@pytest.fixture(scope="module")
def bucket(s3_server: str) -> str:
    """A bucket with 1,200 frames of 40 videos, in ten shards."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket=BUCKET)
    few = [jpeg(flip=bool(seed % 2), seed=seed) for seed in range(6)]
    for number in range(FRAMES):
        key = f"frames/{number // 30:04d}_{number:09d}.jpg"
        client.put_object(Bucket=BUCKET, Key=key, Body=few[number % len(few)])
    return f"s3://{BUCKET}"


@pytest.fixture(scope="module")
def head(s3_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head without CPUs, which knows the S3 server as all nodes do."""
    s3 = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with started_head(tmp_path_factory.mktemp("head"), cpus=0, **s3) as head:
        yield head


@pytest.fixture(scope="module")
def raylets(head: Head) -> Iterator[list[int]]:
    """The raylets of three nodes, one CPU each."""
    with ExitStack() as nodes:
        places = [f"--address={head.gcs_address}", "--min-worker-port=0", "--max-worker-port=0"]
        started = [
            nodes.enter_context(started_node(head.environment, 1, free_port(), *places)) for _ in range(3)
        ]
        yield [wait_for_process(node.pid, "/raylet/raylet") for node in started]


def wait_for_process(ancestor: int, text: str) -> int:
    """Wait for a process below another, with a text in its command line."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in descendants(ancestor):
            if text in command_line(process):
                return process
        time.sleep(0.1)
    pytest.fail(f"no process with {text} within 120 s")


def objects(s3_server: str, prefix: str) -> list[str]:
    """Return the keys below a prefix."""
    found = boto3.client("s3", endpoint_url=s3_server).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


def downloaded(s3_server: str, prefix: str, folder: Path) -> Path:
    """Copy the objects below a prefix to a folder."""
    client = boto3.client("s3", endpoint_url=s3_server)
    for key in objects(s3_server, prefix):
        file = folder / key.removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(BUCKET, key, str(file))
    return folder


def test_a_submitted_job_goes_on_without_one_of_three_nodes(
    bucket: str, s3_server: str, head: Head, raylets: list[int], bundle: str, tmp_path: Path
) -> None:
    undisturbed = tmp_path / "undisturbed"
    options = ("--frames", f"{bucket}/frames", "--model", bundle, "--out", f"{bucket}/out")
    job = head.submit("job", "python", str(ROOT / "jobs" / "score.py"), *options, copy=False)
    while not objects(s3_server, "out/shards/"):
        assert job.client.poll() is None, job.output.read_text()
        time.sleep(0.05)
    os.kill(next(raylet for raylet in raylets if workers_of(raylet)), signal.SIGKILL)
    committed = len(objects(s3_server, "out/shards/"))
    code, output = job.wait()
    assert code == 0, output
    assert committed < SHARDS
    score(ScoreOptions(frames=f"{bucket}/frames", models=(bundle,), out=str(undisturbed), executor="local"))
    assert results(downloaded(s3_server, "out/", tmp_path / "out")) == results(undisturbed)
    TALLY.count("node of three lost, on S3", FRAMES)
