"""Rows in are rows out: what a run has written is read again, and held against its manifest.

Knows the files of a run; knows no Ray, and nothing of how they came to be.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.shards import part_name, part_path, video_starts
from flipbatch.storage.parquet import open_table

FRAME_KEYS = ["video_id", "frame_number", "uri", "label"]
"""What a row of the manifest and one of the predictions have in common."""

_ROWS_AT_A_TIME = 65_536


def verify_part(run: ScoringRun, part: int) -> None:
    """Read what was written of a part, and see that each of its frames is there once, in order.

    Raises
    ------
    OutputError
        Where it is not, or a file is missing, damaged or another run's.
    """
    try:
        _verify_part(run, part)
    except (StorageError, pa.ArrowException, OSError) as error:
        raise _damaged(run, f"a file of part {part} can't be read ({storage.reason(error)})") from error


def _verify_part(run: ScoringRun, part: int) -> None:
    manifest = _open(part_path(run.manifest, part))
    videos = _open(run.directory.path("videos", part_name(part)))
    _require_own(run, "videos", videos, list(run.models))
    for name in run.models:
        folder = f"predictions/model={name}"
        predictions = _open(run.directory.path(folder, part_name(part)))
        _require_own(run, folder, predictions, [name])
        if not _same_rows(_rows(manifest, FRAME_KEYS), _rows(predictions, FRAME_KEYS)):
            raise _damaged(run, f"{folder}/{part_name(part)} does not hold each frame of the manifest once")
        if _frames_by_video(videos, name) != _runs(_rows(predictions, ["video_id"])):
            raise _damaged(run, f"videos/{part_name(part)} does not count what {folder} holds")


def require_only_parts(run: ScoringRun) -> None:
    """See that no other file lies among a run's tables: who reads a folder would count its rows.

    Raises
    ------
    OutputError
    """
    parts = {part_name(part) for part in range(len(run.plan.first_shards))}
    models = {f"model={name}" for name in run.models}
    wanted = {"videos": parts, "predictions": models, **{f"predictions/{name}": parts for name in models}}
    for folder, names in wanted.items():
        if strangers := sorted(set(storage.names_in(run.directory.path(folder))) - names):
            raise OutputError(
                f"{run.directory.path(folder, strangers[0])} is none of this run's files: move it away, and "
                "run the command again."
            )


def _open(uri: str) -> pq.ParquetFile:
    try:
        return open_table(uri)
    except StorageError as error:
        raise OutputError(f"{error} Run the command again.") from error


def _require_own(run: ScoringRun, what: str, table: pq.ParquetFile, models: list[str]) -> None:
    found = {key.decode(): value.decode() for key, value in (table.schema_arrow.metadata or {}).items()}
    if any(found.get(key) != value for key, value in run.metadata(*models).items()):
        raise _damaged(run, f"{what} holds a file of another run")


def _damaged(run: ScoringRun, why: str) -> OutputError:
    return OutputError(
        f"{run.directory.uri} is damaged: {why}. Run the command again, or choose another --out."
    )


def _rows(table: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for batch in table.iter_batches(_ROWS_AT_A_TIME, columns=columns):
        yield batch.select(columns).replace_schema_metadata(None)


def _same_rows(some: Iterator[pa.RecordBatch], others: Iterator[pa.RecordBatch]) -> bool:
    """Compare rows, however either is cut into batches."""
    one = other = pa.RecordBatch.from_pylist([], pa.schema([]))
    some, others = (filter(len, batches) for batches in (some, others))
    while True:
        one = one if one.num_rows else next(some, one)
        other = other if other.num_rows else next(others, other)
        rows = min(one.num_rows, other.num_rows)
        if not rows:
            return one.num_rows == other.num_rows
        if not all(a.equals(b) for a, b in zip(one.slice(0, rows), other.slice(0, rows), strict=True)):
            return False
        one, other = one.slice(rows), other.slice(rows)


def _frames_by_video(videos: pq.ParquetFile, model: str) -> list[tuple[str, int]]:
    of_model = videos.read(["model", "video_id", "frames"]).filter(pc.field("model") == model)
    return list(zip(of_model["video_id"].to_pylist(), of_model["frames"].to_pylist(), strict=True))


def _runs(batches: Iterator[pa.RecordBatch]) -> list[tuple[str, int]]:
    """Count the rows of each video; its rows are neighbours."""
    runs: list[tuple[str, int]] = []
    for batch in batches:
        for start, end in pairwise([*video_starts(batch).tolist(), batch.num_rows]):
            video, before = batch.column("video_id")[start].as_py(), 0
            if runs and runs[-1][0] == video:
                _, before = runs.pop()
            runs.append((video, before + end - start))
    return runs
