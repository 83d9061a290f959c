"""Scoring on Ray: Ray Data takes chunks of shards through decoding, predicting and committing.

Beside `ray_metrics`, the only file of scoring that imports Ray. Knows how the steps are placed on CPUs and
GPUs. Does not know what a step does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import ray
import ray.data

from flipbatch.errors import redacted
from flipbatch.models.predictor import Predictor
from flipbatch.runtime.ray_actor_arguments import pass_arguments_as_bytes
from flipbatch.runtime.ray_connection import connected, data_context, user_errors, warn_without_gpu
from flipbatch.scoring.attempts import Attempt, OpenAttempts
from flipbatch.scoring.executor import RESUME, Result, Shards, Work
from flipbatch.scoring.ray_metrics import ScoringMetrics
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.score_shard import CommittedShard, DecodedShard, commit_shard, predict_shard
from flipbatch.scoring.shards import chunk_shards

_BLOCK_BYTES = 2**20
"""Ray gathers so many bytes before it passes a block on: less than the pixels of a shard, so that each shard
is predicted and freed before the next is read, and more than the rows of a thousand committed shards."""

_CPUS_PER_COMMIT = 0.1
"""A commit spends nearly all of its time waiting for storage."""


@contextmanager
def ray_executor(gpu: bool) -> Iterator[RayExecutor]:
    """Connect to Ray, or keep the connection that there is, and return an executor on it."""
    with connected():
        if gpu:
            warn_without_gpu()
        yield RayExecutor(gpu)


class RayExecutor:
    """An `Executor` on the connected Ray.

    Parameters
    ----------
    gpu : bool
        Whether frames are predicted by actors that own a GPU each.
    """

    def __init__(self, gpu: bool) -> None:
        self._gpu = gpu

    def score_shards(self, work: Work, shards: Shards) -> Iterator[CommittedShard]:
        """Score shards on all CPUs, or GPUs, of the cluster."""
        metrics = ScoringMetrics(redacted(work.run.directory.uri), len(shards))
        with user_errors(RESUME), OpenAttempts(work.run) as attempts:
            for committed, attempt in commits(pipeline(work, shards, self._gpu)):
                attempts.committed(attempt, committed.shard)
                metrics.add(committed)
                yield committed

    def map_parts(self, function: Callable[[ScoringRun, int], Result], run: ScoringRun) -> Iterator[Result]:
        """Call a function with each part, in tasks of one CPU each."""
        task = ray.remote(num_cpus=1)(function)
        results = [task.remote(run, part) for part in run.plan.parts]
        with user_errors(RESUME):
            while results:
                yield ray.get(results.pop(0))


# ---------------------------------------------------------------------------------------- pipeline


def pipeline(work: Work, shards: Shards, gpu: bool) -> ray.data.Dataset:
    """Return the dataset whose iteration commits shards.

    On CPUs, Ray Data fuses reading, decoding, predicting and committing into one actor, because all steps ask
    for the same resources. With GPUs there are three steps: decoding in CPU tasks, predicting in actors that
    own a GPU each, and committing in CPU tasks, so that no GPU waits for storage.

    A batch size, even of 1, would separate reading from decoding on CPUs: the actors own all CPUs, and the
    reading would never get one.

    Parameters
    ----------
    work : Work
    shards : ndarray
        (N,), int64.
    gpu : bool

    Returns
    -------
    Dataset
        Columns ``committed`` (`CommittedShard`) and ``attempt`` (`Attempt`), one row per shard.
    """
    chunks = chunk_shards(shards, _workers(gpu))
    shared = ray.put(_Shared(work, chunks))
    # A pandas block keeps an object as it is; in an Arrow table its pixels would be copied three times.
    with data_context(
        enable_progress_bars=False, target_max_block_size=_BLOCK_BYTES, batch_to_block_arrow_format=False
    ) as context:
        pass_arguments_as_bytes(context)
        dataset = ray.data.range(len(chunks), override_num_blocks=len(chunks))
        dataset = dataset.map_batches(_decoding(shared), batch_size=None, num_cpus=1)
        place = _predict_on_gpus if gpu else _predict_and_commit_on_cpus
        return place(dataset, shared, len(chunks))


def commits(dataset: ray.data.Dataset) -> Iterator[tuple[CommittedShard, Attempt]]:
    """Run a pipeline; yield each shard after its commit, with its attempt."""
    # Batches stay in pandas: `iter_rows` would convert each block to Arrow.
    for batch in dataset.iter_batches(batch_size=None, batch_format="pandas"):
        yield from _rows(batch, "committed")


def _predict_and_commit_on_cpus(
    decoded: ray.data.Dataset, shared: ray.ObjectRef[Any], chunks: int
) -> ray.data.Dataset:
    return decoded.map_batches(
        _PredictAndCommit,
        fn_constructor_args=(shared,),
        batch_format="pandas",
        batch_size=None,
        compute=_actors(chunks, gpu=False),
        num_cpus=1,
    )


def _predict_on_gpus(decoded: ray.data.Dataset, shared: ray.ObjectRef[Any], chunks: int) -> ray.data.Dataset:
    predicted = decoded.map_batches(
        _Predict,
        fn_constructor_args=(shared,),
        batch_format="pandas",
        batch_size=1,  # Ray requires a batch size with GPUs
        compute=_actors(chunks, gpu=True),
        num_gpus=1,
        num_cpus=0,  # else each takes one, and with a single CPU nothing is decoded
    )
    return predicted.map_batches(
        _committing(shared), batch_format="pandas", batch_size=None, num_cpus=_CPUS_PER_COMMIT
    )


def _workers(gpu: bool) -> int:
    """Return for how many actors there are resources now."""
    return max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0)))


def _actors(chunks: int, gpu: bool) -> ray.data.ActorPoolStrategy:
    """Return one actor a CPU or GPU, and more if the cluster grows."""
    return ray.data.ActorPoolStrategy(
        min_size=1, initial_size=min(chunks, _workers(gpu)), max_size=max(1, chunks)
    )


# ---------------------------------------------------------------------------------------- steps


def _row(step: str, shard: object, attempt: Attempt) -> pd.DataFrame:
    """Return a block of one shard, after a step of the pipeline."""
    return pd.DataFrame({step: [shard], "attempt": [attempt]})


def _rows(batch: Any, step: str) -> Iterator[tuple[Any, Attempt]]:
    return zip(batch[step], batch["attempt"], strict=True)


def _decoding(shared: ray.ObjectRef[Any]) -> Callable[[Any], Iterator[pd.DataFrame]]:
    """Return the first step: chunks become decoded shards, one a block."""

    def decode(batch: dict[str, np.ndarray[Any, Any]]) -> Iterator[pd.DataFrame]:
        work, chunks = _fetch(shared)
        for chunk in batch["id"]:
            attempt = work.start_attempt(chunks[chunk])
            for decoded in work.decode(attempt):
                yield _row("decoded", decoded, attempt)

    return decode


class _Predict:
    """The second step, an actor: decoded shards become predicted shards.

    Models are loaded with the first shard. An actor that fails in its constructor would be started again
    without end, and its error would never reach the driver.
    """

    def __init__(self, shared: ray.ObjectRef[Any]) -> None:
        self._shared = shared

    @cached_property
    def _work(self) -> Work:
        return _fetch(self._shared).work

    @cached_property
    def _predictors(self) -> list[Predictor]:
        return self._work.load_predictors()

    def __call__(self, batch: pd.DataFrame) -> Iterator[pd.DataFrame]:
        for decoded, attempt in _rows(batch, "decoded"):
            yield _row("predicted", predict_shard(self._work.run, self._predictors, decoded), attempt)


class _PredictAndCommit(_Predict):
    """The second and third step in one actor: a shard is committed while the next is decoded."""

    def __init__(self, shared: ray.ObjectRef[Any]) -> None:
        super().__init__(shared)
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._commits: deque[Future[CommittedShard]] = deque()

    def __call__(self, batch: pd.DataFrame) -> Iterator[pd.DataFrame]:
        for decoded, attempt in _rows(batch, "decoded"):
            predicted = predict_shard(self._work.run, self._predictors, decoded)
            self._commits.append(self._committer.submit(commit_shard, self._work.run, predicted))
            while len(self._commits) > (0 if _is_last(decoded, attempt) else 1):
                yield _row("committed", self._commits.popleft().result(), attempt)


def _is_last(decoded: DecodedShard, attempt: Attempt) -> bool:
    return decoded.shard == attempt.shards[-1]


def _committing(shared: ray.ObjectRef[Any]) -> Callable[[Any], Iterator[pd.DataFrame]]:
    """Return the third step of a pipeline with GPUs: predicted shards become committed shards."""

    def commit(batch: pd.DataFrame) -> Iterator[pd.DataFrame]:
        run = _fetch(shared).work.run
        for predicted, attempt in _rows(batch, "predicted"):
            yield _row("committed", commit_shard(run, predicted), attempt)

    return commit


class _Shared(NamedTuple):
    """What all steps share."""

    work: Work
    chunks: list[Shards]


_fetched: dict[ray.ObjectRef[Any], _Shared] = {}


def _fetch(reference: ray.ObjectRef[Any]) -> _Shared:
    """Get what all steps share from the object store, once per process."""
    if reference not in _fetched:
        _fetched.clear()
        _fetched[reference] = ray.get(reference)
    return _fetched[reference]
