"""The merge of a part: its committed shards become one file of predictions per model, and one each of videos,
page turns and stills.

Knows the tables of a part. Does not know Ray, pixels, networks or metrics. The files depend on the shards
alone: a part that is merged twice gives the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from flipbatch.evaluation.event_tally import tally_turns
from flipbatch.evaluation.page_turns import FilmFrames, event_table
from flipbatch.evaluation.stills import still_table
from flipbatch.evaluation.threshold import is_flip
from flipbatch.evaluation.videos import videos_of
from flipbatch.schema import EVENTS, FRAME_FACTS, PREDICTIONS, STILLS, VIDEOS, Label
from flipbatch.scoring.committed_shards import ShardReader
from flipbatch.scoring.run import ScoringRun, require_current
from flipbatch.scoring.score_shard import SHARD_COLUMNS, with_frame_facts
from flipbatch.scoring.totals import ModelTotals, PartTotals
from flipbatch.scoring.verify import verify_part
from flipbatch.storage.parquet import ParquetFileWriter, write_table

ROWS_PER_GROUP = 131_072


def merge_part(run: ScoringRun, part: int) -> PartTotals:
    """Merge the shards of a part, verify what was written, and sum it up.

    Raises
    ------
    OutputError
        If a shard is missing or damaged, the files do not contain each frame once, or another command has
        started another run here.
    StorageError
        If the storage can't be written.
    """
    shards, writer = ShardReader(run, run.plan.shards_of(part)), _PartWriter(run)
    totals = PartTotals()
    columns = [*SHARD_COLUMNS, "group", *FRAME_FACTS.names, *run.models]
    for rows in _whole_videos(with_frame_facts(shard).select(columns) for shard in shards):
        totals += writer.add(rows)
    require_current(run)
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
        self._tables: dict[tuple[pa.Schema, str], list[pa.Table]] = defaultdict(list)

    def add(self, rows: pa.Table) -> PartTotals:
        return PartTotals.of(rows, {name: self._add(rows, name) for name in self._run.models})

    def _add(self, rows: pa.Table, name: str) -> ModelTotals:
        threshold = self._run.thresholds[name]
        predictions = _predictions(rows, name, threshold)
        self._writers[name].write(predictions, row_group_size=ROWS_PER_GROUP)
        videos = videos_of(predictions.append_column("group", rows["group"]), name, threshold)
        film = FilmFrames.of(rows, rows[name], threshold)
        self._tables[VIDEOS, name].append(videos)
        events, stills = event_table(film, name), still_table(film, name)
        self._tables[EVENTS, name].append(events)
        self._tables[STILLS, name].append(stills)
        labelled, turns = self._run.labelled > 0, tally_turns(film)
        totals = ModelTotals.of(predictions, videos, labelled, threshold, turns, film.turning)
        return dataclasses.replace(totals, events=events.num_rows, stills=stills.num_rows)

    def write(self, part: int) -> None:
        for name, writer in self._writers.items():
            writer.save(self._run.predictions_path(name, part))
        self._write(VIDEOS, self._run.videos_path(part))
        self._write(EVENTS, self._run.events_path(part))
        self._write(STILLS, self._run.stills_path(part))

    def _write(self, schema: pa.Schema, uri: str) -> None:
        """Write a table of all models, one after the other."""
        tables = [table for name in self._run.models for table in self._tables[schema, name]]
        write_table(pa.concat_tables([schema.empty_table(), *tables]), uri, self._run.metadata())


def _predictions(rows: pa.Table, name: str, threshold: float) -> pa.Table:
    """Return the rows of one model, `schema.PREDICTIONS`, decided at its threshold."""
    probabilities = rows[name].to_numpy(zero_copy_only=False)
    words = np.where(is_flip(probabilities, threshold), str(Label.FLIP), str(Label.NOTFLIP))
    columns = {column: rows[column] for column in SHARD_COLUMNS}
    columns["flip_probability"] = rows[name]
    columns["prediction"] = pa.array(words, pa.string(), mask=np.isnan(probabilities))
    return pa.table(columns, schema=PREDICTIONS)
