"""Runs whose shards are written by tests, so that no model is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.schema import FRAME_FACTS
from flipbatch.scoring.engines import engines_metadata
from flipbatch.scoring.finish import finish_run
from flipbatch.scoring.manifest_parts import read_shard
from flipbatch.scoring.merge import merge_part
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.score_shard import SHARD_COLUMNS
from flipbatch.scoring.totals import PartTotals
from flipbatch.storage.parquet import write_table
from tests.scoring.conftest import Frames, manifest_of, start

MODELS = {"cnn_model": 0.5, "mobilenet_v2": 0.25}
ENGINE = '{"engine": "tests"}'

Videos = Sequence[tuple[str | None, Sequence[float | None]]]
"""(label, probabilities) of each video; a frame without a probability is corrupt."""

TWO_VIDEOS: Videos = [("flip", [0.75, 0.5, None]), ("notflip", [0.25, 0.625])]


def frames_of(videos: Videos) -> tuple[Frames, dict[str, float | None]]:
    """Return the frames of videos, and the probability of each URI."""
    frames, known = [], {}
    for video, (label, values) in enumerate(videos):
        for number, probability in enumerate(values):
            uri = f"/f/v{video}_{number}.jpg"
            frames.append((f"v{video}", number, uri, label))
            known[uri] = probability
    return frames, known


def facts_of(values: Sequence[float | None]) -> dict[str, pa.Array]:
    """Return `schema.FRAME_FACTS` of frames: a frame is as sharp as it is unlike a flip."""
    sharpness = [None if value is None else 1 - value for value in values]
    thumbnail = FRAME_FACTS.field("thumbnail").type
    thumbnails = [None if value is None else bytes(thumbnail.byte_width) for value in values]
    return {"sharpness": pa.array(sharpness, pa.float32()), "thumbnail": pa.array(thumbnails, thumbnail)}


def commit(run: ScoringRun, known: Mapping[str, float | None], engine: str = ENGINE) -> None:
    """Commit every shard of a run, with the same probabilities for each model."""
    for shard in range(run.plan.shards):
        rows = read_shard(run.manifest, run.plan, shard)
        values = [known[uri] for uri in rows["uri"].to_pylist()]
        columns: dict[str, Any] = {name: rows[name] for name in SHARD_COLUMNS[:4]}
        columns["status"] = pa.array(["corrupt" if value is None else "ok" for value in values])
        columns["error"] = pa.array(["cut off" if value is None else None for value in values], pa.string())
        columns["group"] = rows["group"]
        columns |= {"seconds": rows["seconds"]} | facts_of(values)
        columns |= {name: pa.array(values, pa.float32()) for name in run.models}
        metadata = run.metadata() | engines_metadata([engine])
        write_table(pa.table(columns), run.shard_path(shard), metadata)


def scored(
    folder: Path | str, videos: Videos, models: Mapping[str, float] = MODELS, misnamed: Sequence[str] = ()
) -> ScoringRun:
    """Start a run and commit all its shards."""
    frames, known = frames_of(videos)
    run = start(folder, manifest_of(frames, misnamed), models)
    commit(run, known)
    return run


def totals_of(run: ScoringRun) -> PartTotals:
    """Merge all parts."""
    return sum((merge_part(run, part) for part in run.plan.parts), start=PartTotals())


def finished(run: ScoringRun) -> dict[str, Any]:
    """Merge all parts and finish; return the metrics."""
    report = run.directory.path("report.html")
    return finish_run(run, totals_of(run), lambda run, metrics, totals: storage.write(report, b""))


def table_of(run: ScoringRun, *path: str) -> pa.Table:
    """Read all files of a folder of tables."""
    folder = Path(run.directory.path(*path))
    return pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob("*.parquet")))
