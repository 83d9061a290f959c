"""One shard: read, decode, predict, commit.

Knows one shard at a time; knows no Ray, no other shards and no metrics. Decoding and predicting are two
steps, so that on a GPU machine they can run in different processes; and committing is one of its own, so
that storage can be waited for while the next shard is decoded.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch import storage
from flipbatch.frames.decode import InputSize
from flipbatch.frames.isolation import Decoder, isolated, time_limited
from flipbatch.frames.load import LoadedFrames, load_frames, start_reading
from flipbatch.models.predictor import Predictor
from flipbatch.schema import PREDICTIONS, TRANSIENT, Status
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.shards import read_shard
from flipbatch.storage.parquet import create_table, read_table, write_table

SHARD_COLUMNS = ["video_id", "frame_number", "uri", "label", "status", "error"]
"""Of `schema.PREDICTIONS`; a shard file also has `group`, and one column a model, its probabilities."""


@dataclass(frozen=True)
class Before:
    """A shard as it was committed, some of whose frames are read again.

    Attributes
    ----------
    rows : pyarrow.Table
    failed : ndarray
        (N,), bool: the rows that are read again.
    """

    rows: pa.Table
    failed: npt.NDArray[np.bool_]

    def merged(self, again: pa.Table) -> pa.Table:
        """Return all rows in their order, those that failed as they are now."""
        places = np.arange(len(self.failed))
        places[self.failed] = len(self.failed) + np.arange(again.num_rows)
        return pa.concat_tables([self.rows.replace_schema_metadata(None), again]).take(pa.array(places))


@dataclass(frozen=True)
class DecodedShard:
    """A shard on its way from decoding to predicting: small pixels, never full frames.

    Attributes
    ----------
    shard : int
    rows : pyarrow.Table
        `schema.MANIFEST`.
    frames : dict of InputSize to LoadedFrames
        One entry for each input size that the run's models take.
    began : float
        When its turn began, in seconds since 1970.
    before : Before or None
        Where it was committed before, and `rows` are those of its frames that are read again.
    retries : int
        How often storage was asked again meanwhile.
    """

    shard: int
    rows: pa.Table
    frames: Mapping[InputSize, LoadedFrames]
    began: float
    before: Before | None = None
    retries: int = 0

    def __sizeof__(self) -> int:
        """Return its bytes, nearly all of them pixels: by them Ray tells when enough is gathered."""
        return object.__sizeof__(self) + sum(sys.getsizeof(one.pixels) for one in self.frames.values())


@dataclass(frozen=True)
class PredictedShard:
    """A shard on its way from predicting to storage.

    Attributes
    ----------
    shard : int
    rows : pyarrow.Table
        `SHARD_COLUMNS` and one column a model, all rows that the shard is to have.
    replaces : bool
        Whether it was committed before.
    frames, errors, retries : int
        Of what was read now.
    began, decoded : float
        When its turn began and when the last frame was decoded, in seconds since 1970.
    """

    shard: int
    rows: pa.Table
    replaces: bool
    frames: int
    errors: int
    retries: int
    began: float
    decoded: float


@dataclass(frozen=True)
class CommittedShard:
    """What is left of a shard when its rows are in storage.

    Attributes
    ----------
    shard, frames, errors, retries : int
    began, decoded, committed : float
        When its turn began, when the last frame was decoded and when its rows were in storage, in seconds
        since 1970.
    worker : str
        The process that did it, by host and number.
    """

    shard: int
    frames: int
    errors: int
    retries: int
    began: float
    decoded: float
    committed: float
    worker: str


def decode_shards(
    run: ScoringRun,
    sizes: Sequence[InputSize],
    shards: Iterable[int],
    quarantined: Collection[int] = (),
    again: bool = False,
) -> Iterator[DecodedShard]:
    """Read the frames of shards and decode them once an input size; read ahead into the next shard meanwhile.

    Parameters
    ----------
    run : ScoringRun
    sizes : sequence of InputSize
    shards : iterable of int
    quarantined : collection of int
        Shards of which a frame may end the process: their frames are decoded in another.
    again : bool
        Whether the shards are committed, and only frames whose status is in `schema.TRANSIENT` are read.
    """
    opened = (_open_shard(run, shard, again) for shard in shards)
    ahead = next(opened, None)
    while ahead is not None:
        current, ahead = ahead, next(opened, None)
        with isolated() if current.shard in quarantined else time_limited() as decoder:
            decoded = _decode(current, sizes, decoder)
        yield decoded


class _OpenShard(NamedTuple):
    """A shard whose first files are on their way."""

    shard: int
    rows: pa.Table
    before: Before | None
    uris: list[str]
    files: Iterator[bytes | OSError]


def _open_shard(run: ScoringRun, shard: int, again: bool) -> _OpenShard:
    rows, before = read_shard(run.manifest, run.plan, shard), None
    if again:
        committed = read_table(run.shard_path(shard))
        failed = np.array([status in TRANSIENT for status in committed["status"].to_pylist()], dtype=bool)
        rows, before = rows.filter(pa.array(failed)), Before(committed, failed)
    uris = rows["uri"].to_pylist()
    return _OpenShard(shard, rows, before, uris, start_reading(uris, rows["version"].to_pylist()))


def _decode(opened: _OpenShard, sizes: Sequence[InputSize], decoder: Decoder) -> DecodedShard:
    began = time.time()
    frames = load_frames(opened.uris, sizes, opened.files, decoder)
    return DecodedShard(opened.shard, opened.rows, frames, began, opened.before, storage.take_retries())


def predict_shard(predictors: Sequence[Predictor], decoded: DecodedShard) -> PredictedShard:
    """Predict with every model; no frame is left out."""
    came = time.time()
    status, error = _outcomes(decoded)
    ok = np.array([one is Status.OK for one in status], dtype=bool)
    columns = {name: decoded.rows[name] for name in SHARD_COLUMNS[:4]}
    columns |= {"status": pa.array(status, pa.string()), "error": pa.array(error, pa.string())}
    columns["group"] = decoded.rows["group"]
    for predictor in predictors:
        columns[predictor.name] = _probabilities(predictor, decoded.frames[predictor.input_size].pixels, ok)
    rows, before = pa.table(columns), decoded.before
    return PredictedShard(
        shard=decoded.shard,
        rows=rows if before is None else before.merged(rows),
        replaces=before is not None,
        frames=len(ok),
        errors=len(ok) - int(ok.sum()),
        retries=decoded.retries,
        began=decoded.began,
        decoded=came,
    )


def commit_shard(run: ScoringRun, predicted: PredictedShard) -> CommittedShard:
    """Put a shard's rows into storage, by one atomic write.

    What another command has committed meanwhile stays: whoever merges, now or later, finds the same rows.

    Raises
    ------
    StorageError
    """
    put = write_table if predicted.replaces else create_table
    put(predicted.rows, run.shard_path(predicted.shard), run.metadata())
    return CommittedShard(
        shard=predicted.shard,
        frames=predicted.frames,
        errors=predicted.errors,
        retries=predicted.retries,
        began=predicted.began,
        decoded=predicted.decoded,
        committed=time.time(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def _outcomes(decoded: DecodedShard) -> tuple[list[Status], list[str | None]]:
    """Return each frame's status and error: ok only where it could be decoded for every input size."""
    first, *others = decoded.frames.values()
    status, error = list(first.status), list(first.error)
    for frames in others:
        for row, one in enumerate(frames.status):
            if status[row] is Status.OK and one is not Status.OK:
                status[row], error[row] = one, frames.error[row]
    return status, error


def _probabilities(
    predictor: Predictor, pixels: npt.NDArray[np.uint8], ok: npt.NDArray[np.bool_]
) -> pa.Array:
    """Return float32 probabilities, null where a frame has no pixels."""
    probabilities = np.zeros(len(ok), dtype=np.float32)
    probabilities[ok] = predictor.probabilities(pixels if ok.all() else pixels[ok])
    return pa.array(probabilities, PREDICTIONS.field("flip_probability").type, mask=~ok)
