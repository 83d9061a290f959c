"""The README's local cluster: `ray start --head` with a token, and `ray job submit` of train and score."""

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

pytestmark = pytest.mark.ray

CHECKOUT = Path(__file__).parents[1]
_OWN_PORTS = ("ray-client-server", "dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent")
RAY = str(Path(sys.executable).parent / "ray")


@dataclass(frozen=True)
class Head:
    """A running head node, and the environment that its clients need."""

    address: str
    environment: dict[str, str]

    def submit(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(
            [RAY, "job", "submit", "--address", self.address, "--working-dir", str(CHECKOUT), "--", *command],
            self.environment,
        )


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd=CHECKOUT, text=True, capture_output=True, timeout=240, check=False
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head of 2 CPUs with ports, token and folder of its own: other Rays are left alone."""
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    environment |= {
        "HOME": str(home),
        "RAY_AUTH_MODE": "token",
        "RAY_TMPDIR": f"/tmp/ray-{os.getpid()}",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    }
    port = free_port()
    # Of its ports only some move out of the way by themselves of another Ray on this machine.
    ports = [f"--{name}-port={free_port()}" for name in _OWN_PORTS]
    run([RAY, "get-auth-token", "--generate"], environment)
    started = subprocess.Popen(
        [RAY, "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats",
         f"--port={free_port()}", f"--dashboard-port={port}", *ports],
        env=environment | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    head = Head(f"http://127.0.0.1:{port}", environment)
    try:
        wait_for(head)
        yield head
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def wait_for(head: Head) -> None:
    """Wait until jobs are taken: the job server answers before it has an agent to start them."""
    deadline = time.monotonic() + 120
    while run([RAY, "job", "submit", "--address", head.address, "--", "true"], head.environment).returncode:
        if time.monotonic() > deadline:
            pytest.fail("the head took no job within 2 minutes")


@pytest.fixture(scope="module")
def trained(head: Head, labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("submitted") / "train"
    done = head.submit(
        "python", "jobs/train.py", "--frames", str(labelled_frames), "--out", str(out),
        "--models", "cnn_model", "--epochs", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_train_is_submitted(trained: Path) -> None:
    assert json.loads((trained / "comparison.json").read_text())["best"] == "cnn_model"


def test_score_is_submitted(head: Head, trained: Path, labelled_frames: Path, tmp_path: Path) -> None:
    done = head.submit(
        "python", "jobs/score.py", "--frames", str(labelled_frames),
        "--model", str(trained / "models" / "cnn_model"), "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scored 64 of 64 frames" in done.stdout
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["frames"]["scored"] == 64


def test_a_relative_output_of_a_submitted_job_is_refused(head: Head, labelled_frames: Path) -> None:
    done = head.submit(
        "python", "jobs/score.py", "--frames", str(labelled_frames), "--model", "x", "--out", "out"
    )
    assert done.returncode == 1
    assert "--out out is relative" in done.stdout


def test_without_the_token_a_submission_is_refused(head: Head) -> None:
    stranger = head.environment | {"RAY_AUTH_MODE": "disabled"}
    done = run([RAY, "job", "submit", "--address", head.address, "--", "true"], stranger)
    assert done.returncode != 0
    assert "Unauthorized" in done.stdout + done.stderr
