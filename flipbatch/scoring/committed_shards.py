"""Committed shards, read again: their rows, their engines, and the frames that a retry reads.

Knows shard files and their metadata. Does not know Ray, pixels or networks.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.schema import TRANSIENT
from flipbatch.scoring.engines import engines_of
from flipbatch.scoring.run import ScoringRun
from flipbatch.storage.parquet import parse_table, undamaged


class ShardReader:
    """Reads committed shards one after the other.

    Parameters
    ----------
    run : ScoringRun
    shards : iterable of int

    Attributes
    ----------
    engines : set of str
        `engines.engine_text` of the engines of the shards that were read so far.
    """

    def __init__(self, run: ScoringRun, shards: Iterable[int]) -> None:
        self._run = run
        self._paths = [run.shard_path(shard) for shard in shards]
        self.engines: set[str] = set()

    def __iter__(self) -> Iterator[pa.Table]:
        """Read.

        Raises
        ------
        OutputError
            If a shard is missing, damaged or of another run.
        """
        for path, data in zip(self._paths, storage.read_many(self._paths), strict=True):
            if isinstance(data, OSError):
                raise _unreadable(path, data)
            shard = _parse_shard(self._run, data, path)
            self.engines |= engines_of(shard)
            yield shard


def failed_frames(run: ScoringRun, part: int) -> dict[int, int]:
    """Count the frames whose storage failed, by committed shard of a part; leave out shards without any.

    Raises
    ------
    OutputError
        If a shard can't be read.
    """
    shards, failed = run.plan.shards_of(part), dict[int, int]()
    paths = [run.shard_path(shard) for shard in shards]
    for shard, path, data in zip(shards, paths, storage.read_many(paths), strict=True):
        if isinstance(data, FileNotFoundError):
            continue
        if isinstance(data, OSError):
            raise _unreadable(path, data)
        if count := _count_transient(data, path):
            failed[shard] = count
    return failed


def _count_transient(data: bytes, path: str) -> int:
    try:
        with undamaged(path):
            status = pq.read_table(io.BytesIO(data), columns=["status"])["status"]
    except StorageError as error:
        raise _damaged(path) from error
    transient = pa.array(sorted(TRANSIENT), pa.string())
    return int(pc.sum(pc.is_in(status, value_set=transient)).as_py() or 0)  # pyright: ignore[reportAttributeAccessIssue]


def _parse_shard(run: ScoringRun, data: bytes, path: str) -> pa.Table:
    try:
        shard = parse_table(data, path)
    except StorageError as error:
        raise _damaged(path) from error
    if (shard.schema.metadata or {}).get(b"flipbatch.run") != run.run_fingerprint.encode():
        raise OutputError(f"The shard {path} is another run's: delete it and run the command again.")
    return shard


def _unreadable(path: str, error: OSError) -> OutputError:
    return OutputError(
        f"The committed shard {path} can't be read ({storage.reason(error)}): run the command again."
    )


def _damaged(path: str) -> OutputError:
    return OutputError(f"The committed shard {path} is damaged: delete it and run the command again.")
