"""Training on a real Ray: the same bundles as in this process, two workers, killed workers, resume."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from ray.train.torch import TorchTrainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from flipbatch.errors import InputError
from flipbatch.tracking.tensorboard import TensorBoard
from flipbatch.training.fit import Settings
from flipbatch.training.job import train
from flipbatch.training.local_trainer import LocalTrainer
from flipbatch.training.observer import epoch_metrics
from flipbatch.training.ray_trainer import block_cuts, cpus_per_worker
from tests.conftest import write_frames
from tests.training.runs import options, record

TRAIN = Path(__file__).parents[2] / "jobs" / "train.py"
CPU_NODE, GPU_NODE = {"CPU": 16.0}, {"CPU": 16.0, "GPU": 4.0}
EPOCHS = Settings(epochs=4, patience=4)
on_ray = pytest.mark.usefixtures("ray_session")


# ------------------------------------------------------------------------------ without Ray


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "cpus"),
    [
        ([{"CPU": 2.0}], 1, False, 2.0),
        ([{"CPU": 2.0}], 3, False, 0.66),
        ([CPU_NODE, CPU_NODE], 4, False, 8.0),
        ([{"CPU": 0.0}, CPU_NODE], 2, False, 8.0),
        ([], 2, False, 1.0),
        ([GPU_NODE, CPU_NODE, CPU_NODE, CPU_NODE], 4, True, 4.0),
        ([CPU_NODE], 1, True, 1.0),
    ],
)
def test_workers_fit_on_the_nodes_that_can_take_them(nodes, workers, gpu, cpus) -> None:
    assert cpus_per_worker(nodes, workers, gpu) == cpus


@pytest.mark.parametrize(("rows", "workers"), [(1, 1), (64, 2), (65, 1), (1000, 3), (200_000, 2)])
def test_each_worker_gets_as_many_whole_blocks(rows: int, workers: int) -> None:
    cuts = block_cuts(rows, workers)
    blocks_a_worker, rest = divmod(len(cuts) - 1, workers)
    shares = [cuts[worker * blocks_a_worker] for worker in range(workers + 1)]
    assert rest == 0
    assert len(cuts) <= 1002
    assert [b - a for a, b in pairwise(shares)] == [
        len(range(worker, rows, workers)) for worker in range(workers)
    ]


# ------------------------------------------------------------------------------ one worker


@pytest.fixture(scope="module")
def frames_with_copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 videos of each label; all that show a flip begin with one picture."""
    frames = write_frames(tmp_path_factory.mktemp("copies"), videos=8, frames=4)
    for video in range(1, 8):
        shutil.copy(frames / "flip/0000_000000000.jpg", frames / f"flip/{video:04d}_000000000.jpg")
    return frames


@pytest.fixture(scope="module")
def reported() -> Iterator[list[dict[str, Any]]]:
    """What Ray Train was told last in each fit of this module."""
    fit, reports = TorchTrainer.fit, list[dict[str, Any]]()

    def fit_and_keep(trainer: TorchTrainer) -> Any:
        result = fit(trainer)
        reports.append(result.metrics or {})
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TorchTrainer, "fit", fit_and_keep)
        yield reports


@pytest.fixture(scope="module")
def one_worker(
    frames_with_copies: Path,
    tmp_path_factory: pytest.TempPathFactory,
    ray_session: None,
    reported: list[dict[str, Any]],
) -> Path:
    """A run whose worker is killed under way."""
    out = tmp_path_factory.mktemp("ray") / "out"
    wanted = options(frames_with_copies, out, executor="ray", settings=EPOCHS)
    with ThreadPoolExecutor() as threads:
        killed = threads.submit(kill_a_worker_after_a_checkpoint, out)
        train(wanted, observers=[TensorBoard()])
        assert killed.result(timeout=1), "no worker was killed"
    return out


@pytest.fixture(scope="module")
def in_this_process(frames_with_copies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbs."""
    out = tmp_path_factory.mktemp("local") / "out"
    as_many_threads = LocalTrainer(threads=2, device=torch.device("cpu"))
    wanted = options(frames_with_copies, out, settings=EPOCHS)
    train(wanted, as_many_threads, observers=[TensorBoard()])
    torch.set_num_threads(1)
    return out


def test_a_killed_worker_is_replaced_and_goes_on(one_worker: Path) -> None:
    assert [entry["epoch"] for entry in record(one_worker)["history"]] == list(range(4))


def test_one_worker_gives_the_metrics_of_training_in_this_process(
    one_worker: Path, in_this_process: Path
) -> None:
    ray, local = record(one_worker), record(in_this_process)
    assert ray["metrics"] == local["metrics"]
    assert ray["data"] == local["data"]
    assert ray["training"] == local["training"]


def test_both_executors_find_the_same_equal_pictures(one_worker: Path, in_this_process: Path) -> None:
    leak = record(one_worker)["data"]["leak"]
    assert leak == record(in_this_process)["data"]["leak"]
    assert leak["test"] == {"frames": 16, "repeated": 1, "in_train": 2, "in_val": 2}
    assert leak["train"]["repeated"] == 4


def test_its_history_is_the_same_within_rounding(one_worker: Path, in_this_process: Path) -> None:
    ray, local = (
        [entry["val"]["loss"] for entry in record(out)["history"]] for out in (one_worker, in_this_process)
    )
    assert ray == pytest.approx(local, abs=1e-4)


def test_both_executors_write_the_same_files(one_worker: Path, in_this_process: Path) -> None:
    assert files_in(one_worker) == files_in(in_this_process)


def files_in(out: Path) -> list[Path]:
    return sorted(file.relative_to(out) for file in out.rglob("*"))


def test_ray_train_is_told_all_metrics(one_worker: Path, reported: list[dict[str, Any]]) -> None:
    last = record(one_worker)["history"][-1]
    assert reported[0] == {"epoch": last["epoch"], **epoch_metrics(last)}


def test_observers_are_told_of_every_epoch(one_worker: Path) -> None:
    events = EventAccumulator(str(one_worker / "tensorboard/cnn_model/train")).Reload()
    history = record(one_worker)["history"]
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(
        [entry["train"]["loss"] for entry in history]
    )


def test_training_on_ray_leaves_ray_datas_settings_alone(one_worker: Path) -> None:
    import ray.data

    assert not ray.data.DataContext.get_current().execution_options.preserve_order


def kill_a_worker_after_a_checkpoint(out: Path) -> int:
    """Kill one of this session's training workers, and return its process id; wait at most two minutes."""
    deadline = time.monotonic() + 120
    while not list((out / "checkpoints" / "cnn_model").glob("checkpoint_*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(worker := training_workers()[0], signal.SIGKILL)
    return worker


def training_workers() -> list[int]:
    """Return process ids of this session's training workers."""
    processes = (process for process in Path("/proc").iterdir() if process.name.isdigit())
    return [int(process.name) for process in processes if is_own(process)]


def is_own(process: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
        environment = (process / "environ").read_bytes()
    except OSError:
        return False
    return b"RayTrainWorker" in command and f"FLIPBATCH_TESTS={os.getpid()}".encode() in environment


# ------------------------------------------------------------------------------ several workers
# Two workers: tests/storage/test_s3_runs.py


@on_ray
def test_more_workers_than_frames_are_an_error(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=3, frames=1)
    with pytest.raises(InputError, match="use fewer --workers"):
        train(options(frames, tmp_path / "out", executor="ray", workers=9))


# ------------------------------------------------------------------------------ a killed command


@pytest.mark.slow
@on_ray
def test_a_killed_command_goes_on_after_its_last_epoch(
    labelled_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(TRAIN), "--frames", str(labelled_frames), "--out", str(out)]
    command += ["--models", "cnn_model", "--weights", "none", "--epochs", "12", "--patience", "12"]
    monkeypatch.setenv("RAY_ADDRESS", "local")
    kill_after_a_checkpoint(command, out / "checkpoints" / "cnn_model")
    assert not (out / "models").exists()
    settings = Settings(epochs=12, patience=12)
    train(options(labelled_frames, out, executor="ray", settings=settings, resume=True))
    assert [entry["epoch"] for entry in record(out)["history"]] == list(range(12))


def kill_after_a_checkpoint(command: list[str], checkpoints: Path) -> None:
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint_*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
