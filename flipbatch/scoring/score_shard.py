"""The steps of one shard: read, decode, predict, commit.

Knows one shard at a time. Does not know Ray, other shards or metrics. Decoding, predicting and committing are
three steps, so that executors can run them in different processes and can wait for storage while the next
shard is decoded.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch import storage
from flipbatch.frames.appearance import appearance_of
from flipbatch.frames.decode import InputSize
from flipbatch.frames.isolation import Decoder, isolated, time_limited
from flipbatch.frames.load import LoadedFrames, Source, load_frames, start_reading
from flipbatch.models.predictor import Predictor
from flipbatch.schema import FRAME_FACTS, PREDICTIONS, TRANSIENT, Status
from flipbatch.scoring.append import carried_rows
from flipbatch.scoring.engines import engine_text, engines_metadata, engines_of
from flipbatch.scoring.manifest_parts import read_shard
from flipbatch.scoring.place_offsets import read_offsets
from flipbatch.scoring.run import ScoringRun
from flipbatch.storage.parquet import create_table, read_table, write_table

SHARD_COLUMNS = ["video_id", "frame_number", "uri", "label", "status", "error"]
"""Of `schema.PREDICTIONS`. A shard file also has `group`, `schema.FRAME_FACTS`, and a column of probabilities
for each model."""


def with_frame_facts(shard: pa.Table) -> pa.Table:
    """Return a shard with `schema.FRAME_FACTS`, null where an older version wrote it."""
    for field in FRAME_FACTS:
        if field.name not in shard.column_names:
            shard = shard.append_column(field, pa.nulls(shard.num_rows, field.type))
    return shard


@dataclass(frozen=True)
class CommittedRows:
    """Rows of a shard that are committed: in the shard itself, or in one of the run that is appended to.

    Attributes
    ----------
    rows : pyarrow.Table
        The rows that stay.
    missing : ndarray
        (N,), bool: the rows of the shard that are read.
    replaces : bool
        Whether the shard itself is committed.
    """

    rows: pa.Table
    missing: npt.NDArray[np.bool_]
    replaces: bool

    def merged(self, read: pa.Table) -> pa.Table:
        """Return all rows in their order, with the rows that were read in their places."""
        places = np.empty(len(self.missing), np.int64)
        places[~self.missing] = np.arange(self.rows.num_rows)
        places[self.missing] = self.rows.num_rows + np.arange(read.num_rows)
        rows = with_frame_facts(self.rows.replace_schema_metadata(None))
        return pa.concat_tables([rows.select(read.column_names), read]).take(pa.array(places))


@dataclass(frozen=True)
class DecodedShard:
    """A shard between decoding and predicting: small pixels, never full frames.

    Attributes
    ----------
    shard : int
    rows : pyarrow.Table
        `schema.MANIFEST`, the frames that were read.
    frames : dict of InputSize to LoadedFrames
        One entry for each input size that the run's models take.
    started : float
        When reading started, in seconds since 1970.
    committed : CommittedRows or None
        Rows of the shard that are not read, because they are committed.
    retries : int
        Number of storage retries meanwhile.
    """

    shard: int
    rows: pa.Table
    frames: Mapping[InputSize, LoadedFrames]
    started: float
    committed: CommittedRows | None = None
    retries: int = 0

    def __sizeof__(self) -> int:
        """Return the size in bytes, nearly all of it pixels. Ray limits its blocks by it."""
        return object.__sizeof__(self) + sum(sys.getsizeof(one.pixels) for one in self.frames.values())


@dataclass(frozen=True)
class PredictedShard:
    """A shard between predicting and committing.

    Attributes
    ----------
    shard : int
    rows : pyarrow.Table
        `SHARD_COLUMNS`, `group`, `schema.FRAME_FACTS` and one column per model: all rows of the shard.
    engines : frozenset of str
        `engines.engine_text` of the engines that the rows come from.
    replaces : bool
        Whether the shard is committed already.
    statuses : mapping of str to int
        How many frames have each status, of those that were read now.
    retries : int
        Storage retries meanwhile.
    started, decoded : float
        When reading started and when the last frame was decoded, in seconds since 1970.
    """

    shard: int
    rows: pa.Table
    engines: frozenset[str]
    replaces: bool
    statuses: Mapping[str, int]
    retries: int
    started: float
    decoded: float


@dataclass(frozen=True)
class CommittedShard:
    """Counts and times of a shard whose rows are in storage.

    Attributes
    ----------
    shard : int
    statuses : mapping of str to int
        How many frames have each status, of those that were read now.
    retries : int
        Storage retries meanwhile.
    started, decoded, committed : float
        When reading started, when the last frame was decoded and when the rows were in storage, in seconds
        since 1970.
    worker : str
        The process that committed it: host and process number.
    """

    shard: int
    statuses: Mapping[str, int]
    retries: int
    started: float
    decoded: float
    committed: float
    worker: str

    @property
    def frames(self) -> int:
        """How many frames were read."""
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        """How many of them have no probability."""
        return self.frames - self.statuses.get(Status.OK, 0)


# ---------------------------------------------------------------------------------------- decode


def decode_shards(
    run: ScoringRun,
    sizes: Sequence[InputSize],
    shards: Iterable[int],
    quarantined: Collection[int] = (),
    retry: bool = False,
) -> Iterator[DecodedShard]:
    """Read the frames of shards and decode them once per input size; meanwhile read the next shard's files.

    Parameters
    ----------
    run : ScoringRun
    sizes : sequence of InputSize
    shards : iterable of int
    quarantined : collection of int
        Shards with a frame that may end the process: their frames are decoded in a separate process.
    retry : bool
        Whether the shards are committed, and only frames whose status is in `schema.TRANSIENT` are read.
    """
    opened = (_open_shard(run, shard, retry) for shard in shards)
    ahead = next(opened, None)
    while ahead is not None:
        current, ahead = ahead, next(opened, None)
        with isolated() if current.shard in quarantined else time_limited() as decoder:
            decoded = _decode(current, sizes, decoder)
        yield decoded


class _OpenShard(NamedTuple):
    """A shard whose first files are being read."""

    shard: int
    rows: pa.Table
    committed: CommittedRows | None
    uris: list[str]
    files: Iterator[Source]


def _open_shard(run: ScoringRun, shard: int, retry: bool) -> _OpenShard:
    rows = read_shard(run.manifest, run.plan, shard)
    committed = _committed_rows(run, shard) if retry else _carried_rows(run, shard, rows)
    if committed is not None:
        rows = rows.filter(pa.array(committed.missing))
    uris = rows["uri"].to_pylist()
    sources = start_reading(uris, rows["version"].to_pylist(), rows["seconds"].to_pylist())
    return _OpenShard(shard, rows, committed, uris, sources)


def _committed_rows(run: ScoringRun, shard: int) -> CommittedRows:
    rows = read_table(run.shard_path(shard))
    failed = np.array([status in TRANSIENT for status in rows["status"].to_pylist()], dtype=bool)
    return CommittedRows(rows.filter(pa.array(~failed)), failed, replaces=True)


def _carried_rows(run: ScoringRun, shard: int, rows: pa.Table) -> CommittedRows | None:
    found = carried_rows(run, shard, rows)
    return found and CommittedRows(found.rows, ~found.carried, replaces=False)


def _decode(opened: _OpenShard, sizes: Sequence[InputSize], decoder: Decoder) -> DecodedShard:
    started = time.time()
    frames = load_frames(opened.uris, sizes, opened.files, decoder)
    return DecodedShard(opened.shard, opened.rows, frames, started, opened.committed, storage.take_retries())


# ---------------------------------------------------------------------------------------- predict


def predict_shard(run: ScoringRun, predictors: Sequence[Predictor], decoded: DecodedShard) -> PredictedShard:
    """Predict with every model. Every frame is a row, with a probability or with the reason why not.

    In a run that adapts, each frame's logit is reduced by the offset of its place.
    """
    decoded_at = time.time()
    status, error = _outcomes(decoded)
    ok = np.array([one is Status.OK for one in status], dtype=bool)
    columns = {name: decoded.rows[name] for name in SHARD_COLUMNS[:4]}
    columns |= {"status": pa.array(status, pa.string()), "error": pa.array(error, pa.string())}
    columns["group"] = decoded.rows["group"]
    columns |= _frame_facts(decoded, ok)
    offsets = _offsets(run, [predictor.name for predictor in predictors], decoded.rows)
    for predictor in predictors:
        pixels = decoded.frames[predictor.input_size].pixels
        columns[predictor.name] = _probabilities(predictor, pixels, ok, offsets[predictor.name])
    rows, before = pa.table(columns), decoded.committed
    engines = frozenset(engine_text(predictor.engine) for predictor in predictors)
    return PredictedShard(
        shard=decoded.shard,
        rows=rows if before is None else before.merged(rows),
        engines=engines if before is None else engines | engines_of(before.rows),
        replaces=before is not None and before.replaces,
        statuses=Counter(map(str, status)),
        retries=decoded.retries,
        started=decoded.started,
        decoded=decoded_at,
    )


def _outcomes(decoded: DecodedShard) -> tuple[list[Status], list[str | None]]:
    """Return each frame's status and error: a frame is ok if it was decoded for every input size."""
    first, *others = decoded.frames.values()
    status, error = list(first.status), list(first.error)
    for frames in others:
        for row, one in enumerate(frames.status):
            if status[row] is Status.OK and one is not Status.OK:
                status[row], error[row] = one, frames.error[row]
    return status, error


def _frame_facts(decoded: DecodedShard, ok: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return `schema.FRAME_FACTS`; of several input sizes, the largest is looked at."""
    largest = max(decoded.frames, key=lambda size: size.height * size.width)
    looks = appearance_of(decoded.frames[largest].pixels)
    kind, seen = FRAME_FACTS.field("thumbnail").type, pa.array(np.arange(len(ok)), mask=~ok)
    thumbnails = pa.Array.from_buffers(kind, len(ok), [None, pa.py_buffer(looks.thumbnails)])
    return {
        "seconds": decoded.rows["seconds"],
        "sharpness": pa.array(looks.sharpness).take(seen),
        "thumbnail": thumbnails.take(seen),
    }


def _offsets(run: ScoringRun, models: Sequence[str], rows: pa.Table) -> dict[str, npt.NDArray[np.float64]]:
    """Return the offset of each row, (N,), by model; 0 in a run that does not adapt."""
    if run.adaptation is None:
        return dict.fromkeys(models, np.zeros(rows.num_rows))
    return read_offsets(run.adaptation).of_rows(models, rows)


def _probabilities(
    predictor: Predictor,
    pixels: npt.NDArray[np.uint8],
    ok: npt.NDArray[np.bool_],
    offsets: npt.NDArray[np.float64],
) -> pa.Array:
    """Return float32 probabilities, null for frames without pixels."""
    probabilities = np.zeros(len(ok), dtype=np.float32)
    probabilities[ok] = predictor.probabilities(pixels if ok.all() else pixels[ok], offsets[ok])
    return pa.array(probabilities, PREDICTIONS.field("flip_probability").type, mask=~ok)


# ---------------------------------------------------------------------------------------- commit


def commit_shard(run: ScoringRun, predicted: PredictedShard) -> CommittedShard:
    """Write a shard's rows by one atomic write.

    A shard that another command has committed meanwhile stays: both commands merge the same rows.

    Raises
    ------
    StorageError
    """
    put = write_table if predicted.replaces else create_table
    metadata = run.metadata() | engines_metadata(predicted.engines)
    put(predicted.rows, run.shard_path(predicted.shard), metadata)
    return CommittedShard(
        shard=predicted.shard,
        statuses=predicted.statuses,
        retries=predicted.retries,
        started=predicted.started,
        decoded=predicted.decoded,
        committed=time.time(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )
