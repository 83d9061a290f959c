"""The job's own steady rate: its pipeline on its Ray, over frames that are repeated to fill shards.

Knows how a run is begun and its pipeline drained; knows no clock but the one that each shard carries.
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
    """What a pipeline did: frames a second, and bytes a frame through Ray's object store."""

    rate: float
    object_store_bytes: float


def repeated(uris: Sequence[str], labels: Sequence[str | None], frames: int) -> pa.Table:
    """Return a manifest, `schema.MANIFEST`, that repeats frames as videos of 256 until there are enough."""
    rows = islice(cycle(zip(uris, labels, strict=True)), frames)
    columns = [
        (f"v{row // 256:06d}", row, uri, label, None, None, f"v{row // 256:06d}")
        for row, (uri, label) in enumerate(rows)
    ]
    return pa.table([pa.array(column) for column in zip(*columns, strict=True)], schema=MANIFEST)


def steady_rate(models: Sequence[ScoringModel], frames: pa.Table, out: Path) -> Steady:
    """Score frames on the Ray that is connected, as the job does; each worker's rate is its own.

    Parameters
    ----------
    models : sequence of ScoringModel
    frames : pyarrow.Table
        `schema.MANIFEST`.
    out : Path
        A directory that is not there yet.
    """
    directory, manifest = RunDirectory.at(str(out)), f"{out}.parquet"
    pq.write_table(frames, manifest)
    with tempfile.TemporaryDirectory() as scratch:
        built = build_manifest(None, manifest, None, directory.uri, Path(scratch))
    start_run(directory, run_identity(None, manifest, None, models), built)
    run = read_run(directory)
    work = Work(run, [model.bundle for model in models])
    dataset = pipeline(work, np.arange(run.plan.shards), gpu=False)
    rate = sum_of_workers(asdict(committed) for committed, _ in commits(dataset))
    return Steady(rate, _stored(dataset) / frames.num_rows)


def sum_of_workers(shards: Iterable[Mapping[str, Any]]) -> float:
    """Return the sum of each worker's frames over its own time, from its first reading to its last commit.

    From the first commit of all to the last would forget a shard a worker, and flatter.
    """
    frames: dict[str, int] = {}
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    for shard in shards:
        worker = shard["worker"]
        frames[worker] = frames.get(worker, 0) + shard["frames"]
        began[worker] = min(began.get(worker, shard["started"]), shard["started"])
        ended[worker] = max(ended.get(worker, 0.0), shard["committed"])
    return sum(count / (ended[worker] - began[worker]) for worker, count in frames.items())


def _stored(dataset: Any) -> float:
    """Return how many bytes all steps put into the object store."""
    steps = dataset._get_stats_summary().operators_stats
    return sum(step.output_size_bytes.sum for step in steps if step.output_size_bytes)
