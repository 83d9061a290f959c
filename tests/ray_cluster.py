"""Ray as the README starts it, `ray start` with a token and `ray job submit`, with its own ports and folders.

Several nodes of one machine are several raylets, each with its own agents and workers.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
RAY = str(Path(sys.executable).parent / "ray")
JOB_SECONDS, START_SECONDS = 240, 120
_AGENT_PORT = "dashboard-agent-listen"
_OTHER_PORTS = ("dashboard-agent-grpc", "runtime-env-agent")


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
    """A running head node, the environment that its clients need, and a folder for the clients' output.

    Jobs are submitted to `address`; other nodes join at `gcs_address`.
    """

    address: str
    gcs_address: str
    environment: dict[str, str]
    folder: Path

    def submit(self, name: str, *command: str, copy: bool = True, submission: str | None = None) -> Job:
        """Submit a job that runs in a copy of the checkout, or else with the installed package.

        The nodes of one machine have one folder for copies, and disturb each other when they unpack them.
        """
        output = self.folder / name
        options = ["--address", self.address, *(["--working-dir", str(CHECKOUT)] if copy else [])]
        options += ["--submission-id", submission] if submission else []
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


@contextmanager
def started_head(folder: Path, cpus: int, **environment: str) -> Iterator[Head]:
    """Start a head with its own ports, token and folder, so that other Rays are left alone.

    Its environment has none of this process's settings of Ray and S3, but those that are given.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    environment = kept | {
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_TMPDIR": f"/tmp/ray-{os.getpid()}",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
        "RAY_worker_niceness": "0",
    } | environment  # fmt: skip
    run([RAY, "get-auth-token", "--generate"], environment)
    port, gcs_port, agent_port = free_port(), free_port(), free_port()
    places = (f"--port={gcs_port}", f"--dashboard-port={port}", f"--ray-client-server-port={free_port()}")
    with started_node(environment, cpus, agent_port, "--head", "--disable-usage-stats", *places):
        wait_for_ports(port, agent_port)
        yield Head(f"http://127.0.0.1:{port}", f"127.0.0.1:{gcs_port}", environment, folder)


@contextmanager
def started_node(
    environment: dict[str, str], cpus: int, agent_port: int, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `ray start` for a node until the block ends."""
    # Ray picks a free port for some of its services only. These would collide with another Ray's.
    ports = [f"--{_AGENT_PORT}-port={agent_port}", *(f"--{name}-port={free_port()}" for name in _OTHER_PORTS)]
    node = subprocess.Popen(
        [RAY, "start", "--block", f"--num-cpus={cpus}", *ports, *arguments],
        env=environment | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield node
    finally:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


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
