"""The merge of a part: its committed shards become one file of predictions per model, and one of videos.

Knows the tables of a part. Does not know Ray, pixels, networks or metrics. The files depend on the shards
alone: a part that is merged twice gives the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from flipbatch.evaluation.threshold import is_flip
from flipbatch.evaluation.videos import videos_of
from flipbatch.schema import PREDICTIONS, VIDEOS, Label
from flipbatch.scoring.committed_shards import ShardReader
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.score_shard import SHARD_COLUMNS
from flipbatch.scoring.totals import ModelTotals, PartTotals
from flipbatch.scoring.verify import verify_part
from flipbatch.storage.parquet import ParquetFileWriter, write_table

ROWS_PER_GROUP = 131_072


def merge_part(run: ScoringRun, part: int) -> PartTotals:
    """Merge the shards of a part, verify what was written, and sum it up.

    Raises
    ------
    OutputError
        If a shard is missing or damaged, or the files do not contain each frame once.
    StorageError
        If the storage can't be written.
    """
    shards, writer = ShardReader(run, run.plan.shards_of(part)), _PartWriter(run)
    totals = PartTotals()
    for rows in _whole_videos(shards):
        totals += writer.add(rows)
    writer.write(part)
    verify_part(run, part)
    return dataclasses.replace(totals, engines=frozenset(shards.engines))


def _whole_videos(shards: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Gather at least `ROWS_PER_GROUP` rows, up to a shard that starts another video."""
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
    """The files of one part, to which whole videos are added."""

    def __init__(self, run: ScoringRun) -> None:
        self._run = run
        self._writers = {name: ParquetFileWriter(PREDICTIONS, run.metadata(name)) for name in run.models}
        self._videos: dict[str, list[pa.Table]] = {name: [] for name in run.models}

    def add(self, rows: pa.Table) -> PartTotals:
        return PartTotals.of(rows, {name: self._add(rows, name) for name in self._run.models})

    def _add(self, rows: pa.Table, name: str) -> ModelTotals:
        threshold = self._run.thresholds[name]
        predictions = _predictions(rows, name, threshold)
        self._writers[name].write(predictions, row_group_size=ROWS_PER_GROUP)
        videos = videos_of(predictions.append_column("group", rows["group"]), name, threshold)
        self._videos[name].append(videos)
        return ModelTotals.of(predictions, videos, by_wrong_frames=self._run.labelled > 0)

    def write(self, part: int) -> None:
        for name, writer in self._writers.items():
            writer.save(self._run.predictions_path(name, part))
        tables = [table for name in self._run.models for table in self._videos[name]]
        videos = pa.concat_tables([VIDEOS.empty_table(), *tables])
        write_table(videos, self._run.videos_path(part), self._run.metadata())


def _predictions(rows: pa.Table, name: str, threshold: float) -> pa.Table:
    """Return the rows of one model, `schema.PREDICTIONS`, decided at its threshold."""
    probabilities = rows[name].to_numpy(zero_copy_only=False)
    words = np.where(is_flip(probabilities, threshold), str(Label.FLIP), str(Label.NOTFLIP))
    columns = {column: rows[column] for column in SHARD_COLUMNS}
    columns["flip_probability"] = rows[name]
    columns["prediction"] = pa.array(words, pa.string(), mask=np.isnan(probabilities))
    return pa.table(columns, schema=PREDICTIONS)
