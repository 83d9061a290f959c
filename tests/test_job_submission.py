"""The README's local cluster: `ray start --head` with a token, and `ray job submit` of train and score.

All jobs are submitted at once: most of a job's time is waiting for processes to start.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flipbatch.evaluation.calibration import Calibration
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import Bundle, as_arrays, save_bundle

pytestmark = pytest.mark.ray

CHECKOUT = Path(__file__).parents[1]
RAY = str(Path(sys.executable).parent / "ray")
JOB_SECONDS, START_SECONDS = 240, 120
_AGENT_PORT = "dashboard-agent-listen"
_OTHER_PORTS = ("ray-client-server", "dashboard-agent-grpc", "runtime-env-agent")


@dataclass(frozen=True)
class Job:
    """A `ray job submit` command that runs or has ended, with the file that holds its output."""

    client: subprocess.Popen[bytes]
    output: Path

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the output."""
        code = self.client.wait(timeout=JOB_SECONDS)
        return code, self.output.read_text()


@dataclass(frozen=True)
class Head:
    """A running head node, the environment that its clients need, and a folder for the clients' output."""

    address: str
    environment: dict[str, str]
    folder: Path

    def submit(self, name: str, *command: str) -> Job:
        """Submit a job from the checkout."""
        output = self.folder / name
        options = ["--address", self.address, "--working-dir", str(CHECKOUT)]
        with output.open("wb") as file:
            client = subprocess.Popen(
                [RAY, "job", "submit", *options, "--", *command],
                env=self.environment, cwd=CHECKOUT, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return Job(client, output)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd=CHECKOUT, text=True, capture_output=True, timeout=60, check=False
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """Start a head of 2 CPUs with its own ports, token and folder, so that other Rays are left alone."""
    folder = tmp_path_factory.mktemp("head")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    environment |= {
        "HOME": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_TMPDIR": f"/tmp/ray-{os.getpid()}",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    }
    port, agent_port = free_port(), free_port()
    # Ray picks a free port for some of its services only. These would collide with another Ray's.
    ports = [f"--{_AGENT_PORT}-port={agent_port}", *(f"--{name}-port={free_port()}" for name in _OTHER_PORTS)]
    run([RAY, "get-auth-token", "--generate"], environment)
    started = subprocess.Popen(
        [RAY, "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats",
         f"--port={free_port()}", f"--dashboard-port={port}", *ports],
        env=environment | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        wait_for_ports(port, agent_port)
        yield Head(f"http://127.0.0.1:{port}", environment, folder)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def wait_for_ports(*ports: int) -> None:
    """Wait for the job server and for the agent that starts its jobs."""
    deadline = time.monotonic() + START_SECONDS
    for port in ports:
        while not is_open(port):
            if time.monotonic() > deadline:
                pytest.fail(f"the head did not listen on its ports within {START_SECONDS} seconds")
            time.sleep(0.1)


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


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
