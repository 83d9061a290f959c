"""Training on Ray: Ray Data decodes the frames once, Ray Train fits each model on them.

The one module of training that knows Ray. What happens in a fit is `fit_model`'s.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.fs
import ray
import ray.data
import ray.train
import ray.train.torch
import torch
from ray.data.dataset import MaterializedDataset
from ray.exceptions import RayError
from ray.util.queue import Empty, Queue

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.decode import InputSize
from flipbatch.runtime.ray_connection import data_context, user_errors, warn_without_gpu
from flipbatch.runtime.wording import counted
from flipbatch.schema import Split, Status
from flipbatch.training.distributed import rank
from flipbatch.training.fit import Checkpoint
from flipbatch.training.fit_model import FitTask, fit_model
from flipbatch.training.frame_cache import OUTCOMES, Batch, collect_splits, decode_rows
from flipbatch.training.observer import EpochFinished, epoch_metrics
from flipbatch.training.process_settings import set_up

MAX_BLOCKS = 1000
FRAMES_A_BLOCK = 64
COLLECTED_AT_A_TIME = 256
WORKER_FAILURES = 3

_FRAMES = "frames"
_CHECKPOINT_FILE = "checkpoint.pt"
_GO_ON = "The same command with --resume continues after the last epoch."


@dataclass(frozen=True)
class RayTrainer:
    """The executor on a connected Ray.

    Attributes
    ----------
    workers : int
        Ray Train workers.
    gpu : bool
        Whether each worker takes a GPU.
    """

    workers: int = 1
    gpu: bool = False

    def decode(self, rows: pa.Table, size: InputSize) -> RayFrames:
        """Decode frames into Ray's object store: small pixels, never a full frame."""
        if self.gpu:
            warn_without_gpu()
        with user_errors(_GO_ON):
            dataset = _decode(rows, size, self.workers)
            return RayFrames(self, dataset, list(_outcomes(dataset, self.workers)), size)


@dataclass(frozen=True)
class RayFrames:
    """Decoded frames in Ray's object store.

    Attributes
    ----------
    trainer : RayTrainer
    dataset : MaterializedDataset
        Cut into blocks so that each worker's share is whole blocks.
    shares : list of pyarrow.Table
        Outcomes of the frames of each worker.
    size : InputSize
    """

    trainer: RayTrainer
    dataset: MaterializedDataset
    shares: list[pa.Table]
    size: InputSize

    @property
    def outcomes(self) -> pa.Table:
        """`frame_cache.OUTCOMES`, sorted by row."""
        return pa.concat_tables(self.shares).sort_by("row")

    def fit(self, task: FitTask, epoch_finished: EpochFinished) -> None:
        """Train one model on Ray Train, which continues from its last checkpoint."""
        self._require_frames(task.splits)
        with user_errors(_GO_ON):
            _fit(task, self.trainer, self.dataset, epoch_finished)

    def _require_frames(self, splits: npt.NDArray[np.str_]) -> None:
        for share in self.shares:
            statuses = np.array(share["status"].to_pylist(), dtype=object)
            rows = share["row"].to_numpy()[statuses == Status.OK]
            if Split.TRAIN not in splits[rows]:
                raise InputError(
                    f"There are too few training frames for "
                    f"{counted(self.trainer.workers, 'worker')}: use fewer --workers."
                )


# ---------------------------------------------------------------------------------------- decode


def _decode(rows: pa.Table, size: InputSize, workers: int) -> MaterializedDataset:
    # Rows are assigned round-robin. A worker's share is then consecutive rows, in whole blocks, of all kinds.
    dealt = rows.take(np.argsort(np.arange(rows.num_rows) % workers, kind="stable"))
    cuts = block_cuts(rows.num_rows, workers)
    decode = cast(Callable[[Any], Any], partial(decode_rows, size=size))
    with data_context(enable_progress_bars=False) as context:
        context.execution_options.preserve_order = True
        dataset = ray.data.from_arrow([dealt.slice(a, b - a) for a, b in pairwise(cuts) if a < b])
        return dataset.map_batches(decode, batch_size=None).materialize()


def block_cuts(rows: int, workers: int) -> list[int]:
    """Return where dealt rows are cut into blocks: as many for each worker, of about equal length."""
    blocks_a_worker = math.ceil(rows / workers / max(FRAMES_A_BLOCK, math.ceil(rows / MAX_BLOCKS)))
    cuts = [0]
    for worker in range(workers):
        share = len(range(worker, rows, workers))
        cuts += [cuts[-1] + share * block // blocks_a_worker for block in range(1, blocks_a_worker + 1)]
    return cuts


def _outcomes(dataset: MaterializedDataset, workers: int) -> Iterator[pa.Table]:
    """Return what became of the frames of each worker."""
    for share in dataset.split(workers):
        columns = share.select_columns(OUTCOMES.names)
        tables = cast(Iterable[pa.Table], columns.iter_batches(batch_format="pyarrow"))
        yield pa.concat_tables([OUTCOMES.empty_table(), *(table.cast(OUTCOMES) for table in tables)])


# ---------------------------------------------------------------------------------------- fit


class _SplitEvenly(ray.train.DataConfig):
    """Give each worker its share of the frames: whole blocks, and no row is dropped to equalise."""

    def configure(
        self, datasets: dict[str, Any], world_size: int, *_: object, **__: object
    ) -> list[dict[str, Any]]:
        # To cut a block would take a task, and the workers occupy all CPUs by now.
        return [{_FRAMES: share.iterator()} for share in datasets[_FRAMES].split(world_size)]


def _fit(
    task: FitTask, trainer: RayTrainer, dataset: MaterializedDataset, epoch_finished: EpochFinished
) -> None:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = cpus_per_worker(nodes, trainer.workers, trainer.gpu)
    # Reporting an epoch waits until the controller looks at its workers next: every 2 s by default.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    with _epochs_told(epoch_finished) as queue:
        ray.train.torch.TorchTrainer(
            _train_loop,
            train_loop_config={
                "task": ray.put(task),  # with its weights
                "threads": max(1, int(cpus)),
                "queue": queue,
            },
            datasets={_FRAMES: dataset},
            dataset_config=_SplitEvenly(),
            scaling_config=ray.train.ScalingConfig(
                num_workers=trainer.workers, use_gpu=trainer.gpu, resources_per_worker={"CPU": cpus}
            ),
            run_config=_run_config(task),
        ).fit()


def _run_config(task: FitTask) -> ray.train.RunConfig:
    filesystem, path = storage.filesystem(task.checkpoints)
    return ray.train.RunConfig(
        name=task.name,
        storage_path=path,
        storage_filesystem=_arrow_filesystem(filesystem),
        failure_config=ray.train.FailureConfig(max_failures=WORKER_FAILURES),
        checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
    )


def _arrow_filesystem(filesystem: Any) -> pyarrow.fs.FileSystem:
    """Return the file system that flipbatch writes to, with the same credentials, as Ray takes it."""
    if "file" in filesystem.protocol:
        return pyarrow.fs.LocalFileSystem()
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem))


def cpus_per_worker(nodes: Iterable[Mapping[str, float]], workers: int, gpu: bool) -> float:
    """Return how many CPUs each worker may take so that all fit; less than one where they must share.

    Parameters
    ----------
    nodes : iterable of dict
        Resources of each node, as Ray names them.
    workers : int
    gpu : bool
        A worker takes a GPU, and a node's CPUs go to as many workers as it has GPUs.
    """
    fit = [node for node in nodes if node.get("CPU") and (node.get("GPU") or not gpu)]
    if not fit:  # an autoscaling cluster that has no such node yet
        return 1.0
    if gpu:
        share = min(node["CPU"] / node["GPU"] for node in fit)
    else:
        share = min(node["CPU"] for node in fit) / math.ceil(workers / len(fit))
    return float(int(share)) if share >= 1 else math.floor(share * 100) / 100


@contextmanager
def _epochs_told(epoch_finished: EpochFinished) -> Iterator[Queue]:
    """Tell the driver, in a thread, of the epochs that workers put into a queue."""
    queue = Queue(actor_options={"num_cpus": 0})
    done = threading.Event()

    def tell() -> None:
        while True:
            try:
                epoch_finished(queue.get(timeout=0.5))
            except Empty:
                if done.is_set():
                    return
            except RayError:  # Ray is going down; the driver's own error says so
                return

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        done.set()
        thread.join(timeout=10)
        queue.shutdown()


# ---------------------------------------------------------------------------------------- worker


def _train_loop(config: dict[str, Any]) -> None:
    """Run on every worker: collect its share of the frames, and fit."""
    set_up(config["threads"])
    task: FitTask = ray.get(config["task"])
    shard = cast(ray.data.DataIterator, ray.train.get_dataset_shard(_FRAMES))
    batches = shard.iter_batches(batch_size=COLLECTED_AT_A_TIME, batch_format="numpy")
    caches = collect_splits(cast(Iterable[Batch], batches), task.splits, task.input_size)
    report = partial(_report, config["queue"])
    fit_model(task, caches, ray.train.torch.get_device(), report, _read_checkpoint())


def _report(queue: Queue, entry: dict[str, Any], checkpoint: Checkpoint) -> None:
    metrics = {"epoch": entry["epoch"], **epoch_metrics(entry)}
    if rank() != 0:
        ray.train.report(metrics)
        return
    with suppress(RayError):  # what the driver is told must not stop the training
        queue.put(checkpoint["history"])
    with tempfile.TemporaryDirectory() as folder:
        torch.save(checkpoint, Path(folder) / _CHECKPOINT_FILE)
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _read_checkpoint() -> Checkpoint | None:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        return torch.load(Path(folder) / _CHECKPOINT_FILE, map_location="cpu", weights_only=True)
