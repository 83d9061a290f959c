"""Committed shards become what people read: predictions, videos, metrics, and ``_SUCCESS``.

Knows the shard files and the tables of a run; knows no Ray, no pixels and no networks. What comes out
depends on the shards alone, so that writing it twice gives the same bytes.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.evaluation.tally import ModelTally
from flipbatch.evaluation.threshold import is_flip
from flipbatch.evaluation.videos import tally, videos_of
from flipbatch.schema import PREDICTIONS, TRANSIENT, VIDEOS, Label, Status
from flipbatch.scoring.attempts import ATTEMPTS_FOLDER
from flipbatch.scoring.build_manifest import MISNAMED_FILE
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.score_shard import SHARD_COLUMNS
from flipbatch.scoring.shards import part_name
from flipbatch.scoring.verify import require_only_parts, verify_part
from flipbatch.storage.parquet import parse_table, write_table

ROWS_PER_GROUP = 131_072
METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class PartTally:
    """What a part of a run adds up to; parts add.

    Attributes
    ----------
    frames, videos : int
    labelled : int
        Frames that have a label.
    status : Counter of str
        Frames of each status.
    models : dict of str to ModelTally
    """

    frames: int = 0
    videos: int = 0
    labelled: int = 0
    status: Counter[str] = field(default_factory=Counter)
    models: Mapping[str, ModelTally] = field(default_factory=dict)

    def __add__(self, other: PartTally) -> PartTally:
        names = [*self.models, *(name for name in other.models if name not in self.models)]
        none = ModelTally()
        return PartTally(
            frames=self.frames + other.frames,
            videos=self.videos + other.videos,
            labelled=self.labelled + other.labelled,
            status=self.status + other.status,
            models={name: self.models.get(name, none) + other.models.get(name, none) for name in names},
        )


def merge_part(run: ScoringRun, part: int) -> PartTally:
    """Merge the shards of a part into one file of predictions a model and one of videos, and tally them.

    Raises
    ------
    OutputError
        Where a shard is missing or damaged.
    StorageError
        Where the storage can't be written.
    """
    merged = _PartWriter(run)
    total = PartTally()
    for rows in _whole_videos(_read_shards(run, run.plan.shards_of(part))):
        total += merged.add(rows)
    merged.write(part)
    verify_part(run, part)
    return total


def _read_shards(run: ScoringRun, shards: Iterable[int]) -> Iterator[pa.Table]:
    paths = [run.shard_path(shard) for shard in shards]
    for path, data in zip(paths, storage.read_many(paths), strict=True):
        if isinstance(data, OSError):
            raise OutputError(
                f"The committed shard {path} can't be read ({storage.reason(data)}): run the command again."
            )
        yield _parse_shard(run, data, path)


def _parse_shard(run: ScoringRun, data: bytes, path: str) -> pa.Table:
    try:
        shard = parse_table(data, path)
    except StorageError as error:
        raise OutputError(
            f"The committed shard {path} is damaged: delete it and run the command again."
        ) from error
    if (shard.schema.metadata or {}).get(b"flipbatch.run") != run.fingerprint.encode():
        raise OutputError(f"The shard {path} is another run's: delete it and run the command again.")
    return shard


def _whole_videos(shards: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Gather shards to about `ROWS_PER_GROUP` rows, and on until a shard begins another video."""
    gathered: list[pa.Table] = []
    rows = 0
    for shard in shards:
        if rows >= ROWS_PER_GROUP and gathered[-1]["video_id"][-1] != shard["video_id"][0]:
            yield pa.concat_tables(gathered)
            gathered, rows = [], 0
        gathered.append(shard)
        rows += shard.num_rows
    if gathered:
        yield pa.concat_tables(gathered)


class _PartWriter:
    """The files of one part, growing by whole videos."""

    def __init__(self, run: ScoringRun) -> None:
        self._run = run
        self._sinks = {name: io.BytesIO() for name in run.models}
        self._writers = {name: self._writer(name) for name in run.models}
        self._videos: dict[str, list[pa.Table]] = {name: [] for name in run.models}

    def _writer(self, name: str) -> pq.ParquetWriter:
        schema = PREDICTIONS.with_metadata(self._run.metadata(name))
        return pq.ParquetWriter(self._sinks[name], schema, compression="zstd")

    def add(self, rows: pa.Table) -> PartTally:
        tallies, videos = {}, 0
        for name, threshold in self._run.thresholds.items():
            predictions = _predictions(rows, name, threshold)
            self._writers[name].write_table(predictions, row_group_size=ROWS_PER_GROUP)
            of_videos = videos_of(predictions.append_column("group", rows["group"]), name, threshold)
            self._videos[name].append(of_videos)
            tallies[name], videos = tally(of_videos), of_videos.num_rows
        status = Counter({str(one): int(n) for one, n in _value_counts(rows["status"])})
        labelled = rows.num_rows - rows["label"].null_count
        return PartTally(rows.num_rows, videos, labelled, status, tallies)

    def write(self, part: int) -> None:
        directory = self._run.directory
        file = part_name(part)
        for name, writer in self._writers.items():
            writer.close()
            storage.write(directory.path("predictions", f"model={name}", file), self._sinks[name].getvalue())
        videos = pa.concat_tables(
            [VIDEOS.empty_table(), *(t for name in self._videos for t in self._videos[name])]
        )
        write_table(videos, directory.path("videos", file), self._run.metadata())


def _value_counts(column: pa.ChunkedArray) -> list[tuple[str, int]]:
    return [(one["values"], one["counts"]) for one in column.value_counts().to_pylist()]


def _predictions(rows: pa.Table, name: str, threshold: float) -> pa.Table:
    """Return the rows of one model, `schema.PREDICTIONS`, deciding at its threshold."""
    probabilities = rows[name].to_numpy(zero_copy_only=False)
    words = np.where(is_flip(probabilities, threshold), str(Label.FLIP), str(Label.NOTFLIP))
    columns = {column: rows[column] for column in SHARD_COLUMNS}
    columns["flip_probability"] = rows[name]
    columns["prediction"] = pa.array(words, pa.string(), mask=np.isnan(probabilities))
    return pa.table(columns, schema=PREDICTIONS)


def failed_frames(run: ScoringRun) -> dict[int, int]:
    """Count each committed shard's frames whose storage failed, where there are any.

    Raises
    ------
    OutputError
        Where a shard can't be read.
    """
    committed, failed = sorted(run.committed()), dict[int, int]()
    for shard, table in zip(committed, _read_shards(run, committed), strict=True):
        count = sum(status in TRANSIENT for status in table["status"].to_pylist())
        if count:
            failed[shard] = count
    return failed


# ---------------------------------------------------------------------------------------- finish


def finish_run(
    run: ScoringRun, total: PartTally, write_report: Callable[[ScoringRun, Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Write metrics, report and ``_SUCCESS``, if every frame of the manifest is accounted for.

    Parameters
    ----------
    run : ScoringRun
    total : PartTally
        Of all parts.
    write_report : callable
        Given the run and its metrics; writes ``report.html``.

    Returns
    -------
    dict
        What ``metrics.json`` says.

    Raises
    ------
    OutputError
        Where it is not.
    """
    if (total.frames, total.videos) != (run.frames, run.videos):
        raise OutputError(
            f"{run.directory.uri} has predictions of {total.frames} frames in {total.videos} videos, and its "
            f"manifest {run.frames} in {run.videos}: it is damaged; choose another --out."
        )
    require_only_parts(run)
    misnamed = storage.read_required(storage.join(run.manifest, MISNAMED_FILE), "the list of misnamed files")
    storage.write(run.directory.path(MISNAMED_FILE), misnamed)
    metrics = _metrics(run, total)
    run.directory.write_json(METRICS_FILE, metrics)
    write_report(run, metrics)
    run.directory.finish()
    with suppress(StorageError):  # another command may be at it
        storage.remove_folder(run.directory.path(ATTEMPTS_FOLDER))
    return metrics


def _metrics(run: ScoringRun, total: PartTally) -> dict[str, Any]:
    errors = {str(status): total.status[status] for status in Status if status is not Status.OK}
    models = {
        name: {"threshold": run.thresholds[name], **one.to_json()} for name, one in total.models.items()
    }
    frames = {"total": total.frames, "scored": total.status[Status.OK], "errors": errors}
    frames |= {"labelled": total.labelled, "misnamed": run.misnamed}
    note = None if total.labelled else "No frame has a label: precision, recall and F1 can't be measured."
    return {"frames": frames, "videos": total.videos, "models": models, "note": note}
