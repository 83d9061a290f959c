"""Scoring as a Ray job: Ray Data takes shards through decoding and predicting.

One of the modules that know Ray. Knows how the rooms of scoring are put together; what happens to a
shard, a part or a run's directory is theirs.
"""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import ray
import ray.data

from flipbatch import storage
from flipbatch.models.bundle import Bundle
from flipbatch.models.precision import Device
from flipbatch.models.predictor import Predictor, fastest_engine
from flipbatch.runtime.ray_connection import connected, user_errors, warn_without_gpu
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.schema import Label
from flipbatch.scoring.attempts import finish_attempt, start_attempt
from flipbatch.scoring.build_manifest import building_manifest
from flipbatch.scoring.merge import METRICS_FILE, PartTally, failed_frames, finish_run, merge_part
from flipbatch.scoring.progress import Progress
from flipbatch.scoring.run import (
    BEFORE_RUN_FILE,
    ScoringModel,
    ScoringRun,
    begin_run,
    identity,
    load_models,
    read_run,
)
from flipbatch.scoring.score_shard import CommittedShard, commit_shard, decode_shards, predict_shard
from flipbatch.scoring.shards import chunk_shards

log = logging.getLogger(__name__)

Batch = dict[str, np.ndarray[Any, Any]]

GO_ON = "The same command goes on where it stopped."

_DECODED_BYTES_AT_ONCE = 2**20
"""Ray gathers so much before it hands on: less than the pixels of a shard, so that each is predicted and
forgotten before the next is read, and more than what is left of a thousand shards when they are committed."""


@dataclass(frozen=True)
class ScoreOptions:
    """What the command line may say.

    Attributes
    ----------
    frames, manifest : str or None
        One of the two: what to score.
    models : tuple of str
        Bundles, each ``URI`` or ``NAME=URI``.
    out : str
        The run's directory.
    limit : int or None
        Score the first so many frames of the manifest only.
    threshold : float or None
        Decide at it instead of each bundle's own.
    gpu : bool
        Predict on GPUs, and decode on CPUs.
    retry_errors : bool
        Read those frames of a run again whose storage failed.
    """

    models: tuple[str, ...]
    out: str
    frames: str | None = None
    manifest: str | None = None
    limit: int | None = None
    threshold: float | None = None
    gpu: bool = False
    retry_errors: bool = False


WriteReport = Callable[..., None]
"""Given a run, its metrics and the model card of each model; writes the report."""


def score(options: ScoreOptions, write_report: WriteReport) -> dict[str, Any]:
    """Score on the Ray that is connected or can be, or go on with a run that was interrupted.

    Returns
    -------
    dict
        What ``metrics.json`` says.

    Raises
    ------
    FlipbatchError
        Its message says what to do.
    """
    models = load_models(options.models, options.threshold)
    directory = RunDirectory.at(options.out)
    wanted = _identity(options, models)
    found = directory.read_identity(BEFORE_RUN_FILE)
    if found is not None:
        require_same_identity(directory.uri, found, wanted)
        with connected():
            return _go_on(directory, models, options, write_report)
    # In a process of its own, while Ray starts.
    building = building_manifest(options.frames, options.manifest, options.limit, directory.uri)
    with building as manifest, connected():
        begin_run(directory, wanted, manifest.result())
        return _go_on(directory, models, options, write_report)


def _go_on(
    directory: RunDirectory,
    models: Sequence[ScoringModel],
    options: ScoreOptions,
    write_report: WriteReport,
) -> dict[str, Any]:
    run = read_run(directory)
    if options.gpu:
        warn_without_gpu()
    _score_missing_shards(run, models, options.gpu)
    if options.retry_errors:
        _score_failed_frames(run, models, options.gpu)
    if directory.is_finished and not options.retry_errors:
        log.info("%s is finished: files added since it was listed are not in it.", directory.uri)
        return directory.read_json(METRICS_FILE)
    cards = {model.name: model.bundle.model_card() for model in models}
    return finish_run(run, _merge(run), partial(write_report, cards=cards))


def _identity(options: ScoreOptions, models: Sequence[ScoringModel]) -> dict[str, Any]:
    digest = options.manifest and storage.digest(storage.normalise(options.manifest), "the manifest")
    return identity(options.frames, options.manifest, options.limit, models, digest)


def dry_run(options: ScoreOptions) -> list[str]:
    """Return what `score` would do, a line each; write nothing."""
    models = load_models(options.models, options.threshold)
    directory = RunDirectory.at(options.out)
    wanted = _identity(options, models)
    found = directory.read_identity(BEFORE_RUN_FILE)
    names = ", ".join(f"{m.name} at threshold {m.bundle.calibration.threshold:.3f}" for m in models)
    if found is not None:
        require_same_identity(directory.uri, found, wanted)
        run = read_run(directory)
        act = "has finished" if directory.is_finished else "would go on with"
        again = [f"frames to read again: {sum(failed_frames(run).values())}"] if options.retry_errors else []
        return [
            f"{act} {directory.uri}",
            f"shards: {run.plan.shards}, {len(run.committed())} committed",
            *again,
            f"models: {names}",
        ]
    with building_manifest(options.frames, options.manifest, options.limit, folder=None) as building:
        manifest = building.result()
    labels = ", ".join(
        f"{manifest.labels.get(label, 0)} {label or 'without label'}" for label in (*Label, None)
    )
    return [
        f"would write to {directory.uri}",
        f"frames: {manifest.frames} of {manifest.videos} videos: {labels}",
        f"files that are no frames: {manifest.misnamed}",
        f"shards: {manifest.plan.shards}",
        f"models: {names}",
    ]


# ---------------------------------------------------------------------------------------- shards


def _score_missing_shards(run: ScoringRun, models: Sequence[ScoringModel], gpu: bool) -> None:
    if run.directory.is_finished:
        return
    committed = run.committed()
    todo = np.array([shard for shard in range(run.plan.shards) if shard not in committed], dtype=np.int64)
    if committed:
        log.info("going on: %d of %d shards are committed.", len(committed), run.plan.shards)
    done = round(run.frames * len(committed) / run.plan.shards)
    if len(todo):
        _drain(pipeline(run, models, todo, gpu), Progress(run.frames, done))


def _score_failed_frames(run: ScoringRun, models: Sequence[ScoringModel], gpu: bool) -> None:
    """Read frames again whose storage failed; predictions of all others stay as they are."""
    failed = failed_frames(run)
    log.info("%d frames failed in a way that may pass: they are read again.", sum(failed.values()))
    run.directory.reopen()  # merged anew, whatever another command merged meanwhile
    if failed:
        todo = np.array(sorted(failed), dtype=np.int64)
        _drain(pipeline(run, models, todo, gpu, again=True), Progress(sum(failed.values())))


def _drain(committed: ray.data.Dataset, progress: Progress) -> None:
    """Run a pipeline to its end, and say how far it is."""
    with user_errors(GO_ON), closing(progress):
        for shard in committed.iter_rows():
            progress.add(shard["frames"], shard["errors"], shard["retries"])


def pipeline(
    run: ScoringRun,
    models: Sequence[ScoringModel],
    todo: np.ndarray[Any, np.dtype[np.int64]],
    gpu: bool,
    again: bool = False,
) -> ray.data.Dataset:
    """Return the dataset whose rows are committed shards, and whose iteration commits them.

    One pipeline for CPU and GPU: Ray Data fuses reading and decoding into the predicting actors behind
    them where all ask for the same resources, and runs them apart where only one asks for a GPU. A batch
    size, even of 1, would keep the reading apart: it would find no CPU beside actors that own them all.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    context.target_max_block_size = _DECODED_BYTES_AT_ONCE
    context.batch_to_block_arrow_format = False  # a data frame stays one: see `_decoding`
    chunks = chunk_shards(todo, _workers(gpu))
    shared = ray.put(_Shared(run, [model.bundle for model in models], chunks, uuid.uuid4().hex, again))
    dataset = ray.data.range(len(chunks), override_num_blocks=len(chunks))
    dataset = dataset.map_batches(_decoding(shared), batch_size=None, num_cpus=1)
    return dataset.map_batches(
        _Predict,
        fn_constructor_args=(shared, "cuda" if gpu else "cpu"),
        batch_format="pandas",
        batch_size=1 if gpu else None,  # Ray wants one said where there is a GPU
        compute=_actors(len(chunks), gpu),
        num_gpus=1 if gpu else None,
        num_cpus=None if gpu else 1,
    )


def _workers(gpu: bool) -> int:
    """Return how many actors find room now."""
    return max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0)))


def _actors(chunks: int, gpu: bool) -> ray.data.ActorPoolStrategy:
    """One actor a core or a GPU at once, and more as the cluster grows."""
    return ray.data.ActorPoolStrategy(
        min_size=1, initial_size=min(chunks, _workers(gpu)), max_size=max(1, chunks)
    )


def _decoding(shared: ray.ObjectRef[Any]) -> Callable[[Any], Iterator[pd.DataFrame]]:
    """Return the first step: chunks of shards become decoded shards, one a batch.

    In a data frame an object is handed on as it is to the step that is fused behind; in a table of Arrow's
    its pixels would be copied three times, 4.5 % of the whole.
    """

    def decode(batch: Batch) -> Iterator[pd.DataFrame]:
        run, bundles, chunks, job, again = _fetch(shared)
        sizes = list(dict.fromkeys(bundle.input_size for bundle in bundles))
        for chunk in batch["id"]:
            this = start_attempt(run, chunks[chunk].tolist(), job, again)
            for decoded in decode_shards(run, sizes, this.shards, this.quarantined, again):
                marks = this.marks if decoded.shard == this.shards[-1] else ()
                yield pd.DataFrame({"decoded": [decoded], "marks": [marks]})

    return decode


class _Predict:
    """The second step: decoded shards are predicted and committed. Lives in an actor.

    Models are loaded with the first shard, not before: an actor that ends in its construction is started
    again without end, and what it raises there never becomes a sentence.
    """

    def __init__(self, shared: ray.ObjectRef[Any], device: Device) -> None:
        self._shared = shared
        self._device: Device = device
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._commits: deque[Future[CommittedShard]] = deque()

    @cached_property
    def _predictors(self) -> list[Predictor]:
        bundles = _fetch(self._shared).bundles
        return [Predictor(bundle, fastest_engine(bundle, self._device)) for bundle in bundles]

    def __call__(self, batch: pd.DataFrame) -> Iterator[Batch]:
        run = _fetch(self._shared).run
        for decoded, marks in zip(batch["decoded"], batch["marks"], strict=True):
            predicted = predict_shard(self._predictors, decoded)
            self._commits.append(self._committer.submit(commit_shard, run, predicted))
            # Storage is waited for while the next shard is decoded; the last of a chunk has none behind it,
            # and of the shards that come to a GPU nobody knows which is the last.
            while len(self._commits) > (0 if marks or self._device == "cuda" else 1):
                committed = self._commits.popleft().result()
                yield {name: np.array([value]) for name, value in asdict(committed).items()}
            self._committer.submit(finish_attempt, run, marks)  # nobody need wait for it


class _Shared(NamedTuple):
    """What all steps share."""

    run: ScoringRun
    bundles: list[Bundle]
    chunks: list[np.ndarray[Any, np.dtype[np.int64]]]
    job: str
    again: bool


_fetched: dict[ray.ObjectRef[Any], _Shared] = {}


def _fetch(reference: ray.ObjectRef[Any]) -> _Shared:
    """Get what all steps share, once a process."""
    if reference not in _fetched:
        _fetched.clear()
        _fetched[reference] = ray.get(reference)
    return _fetched[reference]


# ---------------------------------------------------------------------------------------- merge


def _merge(run: ScoringRun) -> PartTally:
    merge = ray.remote(num_cpus=1)(merge_part)
    parts = [merge.remote(run, part) for part in range(len(run.plan.first_shards))]
    with user_errors(GO_ON):
        return sum(ray.get(parts), start=PartTally())
