"""The written tables are read again and compared with the manifest: one row per frame and model.

Knows the files of a run. Does not know Ray, or how the files were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.scoring.manifest_parts import part_path
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.shards import video_starts
from flipbatch.storage.parquet import OpenTable, open_table
from flipbatch.storage.system_names import is_hidden

FRAME_KEYS = ["video_id", "frame_number", "uri", "label"]
"""The columns that a manifest and predictions have in common."""

_ROWS_AT_A_TIME = 65_536
_TABLE = ".parquet"


def verify_part(run: ScoringRun, part: int) -> None:
    """Read the files of a part, and require each of its frames once, in order.

    Raises
    ------
    OutputError
        If a frame is lost, doubled or changed, or a file is missing, damaged or of another run.
    """
    try:
        _verify_part(run, part)
    except StorageError as error:
        raise OutputError(f"{error} Run the command again, or choose another --out.") from error


def _verify_part(run: ScoringRun, part: int) -> None:
    manifest = open_table(part_path(run.manifest, part))
    videos = open_table(run.videos_path(part))
    _require_own(run, run.videos_path(part), videos, run.models)
    turns, stills = open_table(run.events_path(part)), open_table(run.stills_path(part))
    _require_own(run, run.events_path(part), turns, run.models)
    _require_own(run, run.stills_path(part), stills, run.models)
    for name in run.models:
        path = run.predictions_path(name, part)
        predictions = open_table(path)
        _require_own(run, path, predictions, [name])
        if not _same_rows(_rows(manifest, FRAME_KEYS), _rows(predictions, FRAME_KEYS)):
            raise _damaged(run, f"{path} does not hold each frame of the manifest once")
        counted = _frames_by_video(videos, name)
        if counted != _runs(_rows(predictions, ["video_id"])):
            raise _damaged(run, f"{run.videos_path(part)} does not count the frames of {path}")
        if _covered(turns, stills, name) != {video: frames for video, frames in counted if frames > 1}:
            paths = f"{run.events_path(part)} and {run.stills_path(part)}"
            raise _damaged(run, f"{paths} do not count the frames of {path}")


def require_only_parts(run: ScoringRun) -> None:
    """Require that the folders of a run's tables hold no other file that a reader of the tables would open.

    The tables need not be there yet.

    Raises
    ------
    OutputError
    """
    for folder, names in run.table_folders().items():
        for name in storage.names_in(folder):
            if name not in names and _is_read(folder, name):
                raise OutputError(
                    f"{storage.join(folder, name)} is not a file of this run: move it away or remove it, "
                    "because readers of the tables would open it, and run the command again."
                )


def _is_read(folder: str, name: str) -> bool:
    """Return whether a reader of a folder opens a file, or a file directly in a folder, of this name.

    ``predictions/*/*.parquet`` matches hidden names, too.
    """
    if not is_hidden(name) or name.endswith(_TABLE):
        return True
    return any(inner.endswith(_TABLE) for inner in storage.names_in(storage.join(folder, name)))


def _require_own(run: ScoringRun, path: str, table: OpenTable, models: list[str]) -> None:
    found = {key.decode(): value.decode() for key, value in (table.schema_arrow.metadata or {}).items()}
    if any(found.get(key) != value for key, value in run.metadata(*models).items()):
        raise _damaged(run, f"{path} is a file of another run")


def _damaged(run: ScoringRun, why: str) -> OutputError:
    return OutputError(
        f"{run.directory.uri} is damaged: {why}. Run the command again, or choose another --out."
    )


def _rows(table: OpenTable, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for batch in table.iter_batches(_ROWS_AT_A_TIME, columns=columns):
        yield batch.select(columns).replace_schema_metadata(None)


def _same_rows(some: Iterator[pa.RecordBatch], others: Iterator[pa.RecordBatch]) -> bool:
    """Return whether two sequences of batches have the same rows."""
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


def _frames_by_video(videos: OpenTable, model: str) -> list[tuple[str, int]]:
    of_model = videos.read(["model", "video_id", "frames"]).filter(pc.field("model") == model)
    return list(zip(of_model["video_id"].to_pylist(), of_model["frames"].to_pylist(), strict=True))


def _covered(turns: OpenTable, stills: OpenTable, model: str) -> Counter[str]:
    """Return how many frames of each video are in a page turn or a still: each frame is in one of them."""
    covered = Counter[str]()
    for table in (turns, stills):
        for video, frames in _frames_by_video(table, model):
            covered[video] += frames
    return covered


def _runs(batches: Iterator[pa.RecordBatch]) -> list[tuple[str, int]]:
    """Return each video with its number of rows. The rows of a video are consecutive."""
    runs: list[tuple[str, int]] = []
    for batch in batches:
        for start, end in pairwise([*video_starts(batch).tolist(), batch.num_rows]):
            video, before = batch.column("video_id")[start].as_py(), 0
            if runs and runs[-1][0] == video:
                _, before = runs.pop()
            runs.append((video, before + end - start))
    return runs
