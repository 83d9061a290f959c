"""Facts about `flipbatch.runtime.ray_connection`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import ray.data
from ray.data.exceptions import omit_traceback_stdout
from ray.exceptions import RayTaskError

from flipbatch.errors import InputError, JobError, StorageError
from flipbatch.runtime.ray_connection import data_context, to_user_error, user_errors, warn_without_gpu
from flipbatch.runtime.submitted_job import refuse_relative

ROOT = Path(__file__).parents[1]


def wrapped(cause: Exception) -> Exception:
    """An error as Ray hands it to a driver, wrapped in one more."""
    outer = RuntimeError("the dataset failed")
    outer.__cause__ = RayTaskError("f", "a long traceback", cause).as_instanceof_cause()
    return outer


def test_the_sentence_of_a_worker_is_kept_whole() -> None:
    error = to_user_error(wrapped(StorageError("Can't write /out: no space.")), "Go on.")
    assert str(error) == "Can't write /out: no space."
    assert isinstance(error, StorageError)


def test_an_internal_error_of_a_worker_becomes_one_sentence() -> None:
    error = to_user_error(wrapped(ValueError("line one\nbad value")), "Go on.")
    assert isinstance(error, JobError)
    assert str(error) == ("The job failed in a worker: line one; bad value. Go on.")


def test_the_failure_of_a_training_rank_is_found() -> None:
    outer = RuntimeError("Training failed")
    outer.worker_failures = {1: JobError("Training diverged.")}  # pyright: ignore[reportAttributeAccessIssue]
    assert str(to_user_error(outer, "")) == "Training diverged."


def test_errors_that_caused_each_other_are_one_sentence() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert isinstance(to_user_error(first, ""), JobError)


@pytest.mark.usefixtures("ray_session")
def test_a_job_that_waits_for_a_gpu_says_so(caplog: pytest.LogCaptureFixture) -> None:
    warn_without_gpu()
    assert "The cluster has no GPU: the job waits" in caplog.text


def block_size_of_workers(dataset: ray.data.Dataset) -> list[int]:
    """Run a dataset; return the block size that its workers see."""

    def see(batch: Any) -> dict[str, Any]:
        size = ray.data.DataContext.get_current().target_max_block_size
        return {"size": np.full(len(batch["id"]), size)}

    return [row["size"] for row in dataset.map_batches(see).take_all()]


@pytest.mark.usefixtures("ray_session")
def test_settings_of_ray_data_count_for_datasets_of_the_block_and_are_restored() -> None:
    before = ray.data.DataContext.get_current()
    settings = before.copy()
    with data_context(target_max_block_size=12345, enable_progress_bars=False) as context:
        context.execution_options.preserve_order = not settings.execution_options.preserve_order
        dataset = ray.data.range(2)
        assert block_size_of_workers(dataset) == [12345, 12345]
    assert ray.data.DataContext.get_current() is before
    assert before == settings
    assert dataset.context.target_max_block_size == 12345
    assert dataset.context.execution_options.preserve_order != settings.execution_options.preserve_order


def test_settings_of_ray_data_are_restored_where_the_block_raises() -> None:
    before = ray.data.DataContext.get_current()
    settings = before.copy()

    def change_and_raise() -> None:
        with data_context(target_max_block_size=1) as context:
            context.execution_options.preserve_order = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change_and_raise()
    assert ray.data.DataContext.get_current() is before
    assert before == settings


def test_settings_of_ray_data_may_be_nested() -> None:
    with data_context(target_max_block_size=2):
        with data_context(target_max_block_size=3):
            assert ray.data.DataContext.get_current().target_max_block_size == 3
        assert ray.data.DataContext.get_current().target_max_block_size == 2


def test_a_setting_that_ray_data_does_not_have_is_refused() -> None:
    with pytest.raises(AttributeError, match="target_block_sise"), data_context(target_block_sise=1):
        pass


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"runtime_env": {"working_dir": "gcs://_ray_pkg.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))


@pytest.mark.usefixtures("submitted")
def test_a_submitted_job_refuses_relative_paths() -> None:
    with pytest.raises(InputError, match="--frames data is relative"):
        refuse_relative(frames="data", out="/out")


@pytest.mark.usefixtures("submitted")
def test_a_submitted_job_takes_absolute_paths_and_uris() -> None:
    refuse_relative(frames="s3://bucket/data", out="/out", manifest=None)


def test_a_job_that_is_not_submitted_takes_relative_paths() -> None:
    refuse_relative(frames="data")


def test_the_mark_that_ray_data_puts_on_an_error_is_not_the_error() -> None:
    @omit_traceback_stdout
    def fail() -> None:
        raise RuntimeError("the actor died\nits node is gone")

    with (
        pytest.raises(JobError, match=r"failed in a worker: the actor died; its node is gone\. Go on\.$"),
        user_errors("Go on."),
    ):
        fail()


def complaint_of_connecting(**environment: str) -> str:
    """Return the last line of a process that connects to Ray in an environment."""
    done = subprocess.run(
        [sys.executable, "-c", CONNECT],
        env=os.environ | {"RAY_AUTH_MODE": "token"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stderr.rstrip().rpartition("\n")[2]


def test_an_address_that_is_none_is_one_sentence() -> None:
    assert "JobError: RAY_ADDRESS is nowhere, which is not HOST:PORT" in complaint_of_connecting(
        RAY_ADDRESS="nowhere"
    )


def test_a_path_that_is_too_long_for_sockets_is_one_sentence(tmp_path: Path) -> None:
    complaint = complaint_of_connecting(RAY_ADDRESS="local", RAY_TMPDIR=str(tmp_path / ("long" * 20)))
    assert "JobError: Can't start Ray: " in complaint
    assert "set RAY_TMPDIR to another directory, of at most 39 characters" in complaint


def test_a_home_directory_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".ray").touch()
    complaint = complaint_of_connecting(RAY_ADDRESS="local", HOME=str(tmp_path), RAY_AUTH_TOKEN="")
    assert "JobError: Can't start Ray: " in complaint
    assert "set HOME to a directory that you may write to" in complaint


def test_an_interrupted_attempt_to_connect_ends_by_the_interrupt() -> None:
    with socket.create_server(("", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        environment = os.environ | {"RAY_ADDRESS": address}
        with subprocess.Popen(
            [sys.executable, "-c", CONNECT], env=environment, stderr=subprocess.PIPE
        ) as process:
            silent.settimeout(60)
            silent.accept()[0].close()
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=60)
    # Not by the time-out of 10 s, which would end in a JobError. How soon depends on what else runs here.
    assert complaint.rstrip().endswith(b"KeyboardInterrupt")


@pytest.mark.parametrize("module", ["scoring.job", "training.job", "benchmark.job", "runtime.ray_connection"])
def test_ray_starts_no_worker_through_uv_for_any_first_import(module: str) -> None:
    program = (
        f"import flipbatch.{module}, ray; print(ray._private.ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    said = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert said.strip() == "False"


CONNECT = """
from flipbatch.runtime.ray_connection import connected
with connected(): pass
"""
OWNER = """
from flipbatch.runtime import ray_connection
import ray
with ray_connection.connected():
    print(ray.get_runtime_context().gcs_address, flush=True)
    input()
"""
CLIENT = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_get(b"key", None, timeout=10)
"""


@pytest.mark.ray
def test_a_ray_started_here_refuses_clients_without_the_token(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["RAY_AUTH_MODE"] = "token"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        command = [sys.executable, "-c", CLIENT, owner.stdout.readline().strip()]
        stranger = environment | {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": "0" * 32}
        own, refused = (
            subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            for env in (environment, stranger)
        )
        complaint = complaint_of_connecting(**stranger, RAY_ADDRESS=command[-1])
        owner.communicate("\n")
    assert (own.returncode, refused.returncode) == (0, 1), own.stderr
    assert "token" in refused.stderr
    assert "does not accept our token: copy the cluster's token to RAY_AUTH_TOKEN" in complaint
