"""The steady rate of the scoring job's own pipeline on Ray, over frames that are repeated to fill shards.

Leaves out the start of Ray, the merge and the report. Knows how a run and its pipeline are started; does not
read a clock: each shard reports its own times.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import MANIFEST
from flipbatch.scoring.build_manifest import build_manifest
from flipbatch.scoring.executor import Work
from flipbatch.scoring.models import ScoringModel
from flipbatch.scoring.ray_executor import commits, pipeline
from flipbatch.scoring.run import read_run, run_identity, start_run


class Steady(NamedTuple):
    """A pipeline's frames/s, and its bytes per frame through Ray's object store."""

    rate: float
    object_store_bytes: float


def repeated(
    uris: Sequence[str], labels: Sequence[str | None], frames: int, frames_a_video: int = 256
) -> pa.Table:
    """Return a manifest (`schema.MANIFEST`) of `frames` rows that repeats frames, in videos of one length."""
    rows = islice(zip(cycle(uris), cycle(labels), strict=False), frames)
    columns = [
        (video := f"v{row // frames_a_video:06d}", row, uri, label, None, None, video, None, None)
        for row, (uri, label) in enumerate(rows)
    ]
    return pa.table([pa.array(column) for column in zip(*columns, strict=True)], schema=MANIFEST)


def steady_rate(models: Sequence[ScoringModel], frames: pa.Table, out: Path) -> Steady:
    """Score frames as the job does, on the connected Ray.

    Parameters
    ----------
    models : sequence of ScoringModel
    frames : pyarrow.Table
        `schema.MANIFEST`.
    out : Path
        A directory that does not exist.
    """
    directory, manifest = RunDirectory.at(str(out)), f"{out}.parquet"
    pq.write_table(frames, manifest)
    with tempfile.TemporaryDirectory() as scratch:
        built = build_manifest(None, manifest, None, directory.uri, Path(scratch))
    start_run(directory, run_identity(None, manifest, None, models), built)
    run = read_run(directory)
    work = Work(run, [model.bundle for model in models])
    dataset = pipeline(work, np.arange(run.plan.shards), gpu=False)
    rate = sum_of_workers({**asdict(one), "frames": one.frames} for one, _ in commits(dataset))
    return Steady(rate, _stored(dataset) / frames.num_rows)


def sum_of_workers(shards: Iterable[Mapping[str, Any]]) -> float:
    """Return the sum of the workers' rates in frames/s.

    A worker's time is from its first read to its last commit. A rate from the first commit of all to the last
    one would leave out the time of one shard per worker, and be too high.
    """
    frames: dict[str, int] = {}
    started: dict[str, float] = {}
    ended: dict[str, float] = {}
    for shard in shards:
        worker = shard["worker"]
        frames[worker] = frames.get(worker, 0) + shard["frames"]
        started[worker] = min(started.get(worker, shard["started"]), shard["started"])
        ended[worker] = max(ended.get(worker, 0.0), shard["committed"])
    return sum(count / (ended[worker] - started[worker]) for worker, count in frames.items())


def _stored(dataset: Any) -> float:
    """Return the bytes that all steps put into the object store."""
    steps = dataset._get_stats_summary().operators_stats
    return sum(step.output_size_bytes.sum for step in steps if step.output_size_bytes)
