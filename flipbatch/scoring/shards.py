"""The cut: a manifest becomes shards, the unit of work, of commit and of resume.

Knows how rows are grouped and where a shard's rows lie; knows no frames, models or results. The cut
depends on the manifest alone, never on the machine: a run may go on elsewhere.

A manifest of a run is a folder of parts. A part begins and ends between videos and becomes one file of
predictions. Its row groups hold whole shards, so that a worker reads little more than its own rows.
"""

from __future__ import annotations

import bisect
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.schema import MANIFEST
from flipbatch.tables import open_table

MOST_FRAMES_PER_SHARD = 256
"""From 256 on, larger shards bring nothing; 64 cost a tenth of the rate (docs/performance.md)."""

LEAST_FRAMES_PER_SHARD = 16
GROUPS_PER_WORKER = 4
MOST_SHARDS_PER_GROUP = 32
"""Progress is told by the group: some 20 s of a worker's time."""

MOST_GROUPS = 10_000
"""Each costs the driver some kilobytes and milliseconds: past so many shards the last groups grow, too."""

ROWS_PER_GROUP = 16_384
ROWS_PER_PART = 4_194_304
"""At about 16 bytes a prediction this makes files of some 64 MB."""

SHARDED_MANIFEST = MANIFEST.append(pa.field("shard", pa.int64(), nullable=False))


@dataclass(frozen=True)
class Plan:
    """How a manifest was cut.

    Attributes
    ----------
    shards : int
        Their number; a shard is called by 0 to `shards` - 1.
    first_shards : tuple of int
        The first shard of each part.
    """

    shards: int
    first_shards: tuple[int, ...]

    def part_of(self, shard: int) -> int:
        """Return which part holds a shard."""
        return bisect.bisect_right(self.first_shards, shard) - 1

    def shards_of(self, part: int) -> range:
        """Return the shards of a part."""
        ends = [*self.first_shards[1:], self.shards]
        return range(self.first_shards[part], ends[part])


def frames_per_shard(frames: int) -> int:
    """Return how many frames a shard should have: a small run is cut fine, so that every core gets some."""
    return min(MOST_FRAMES_PER_SHARD, max(LEAST_FRAMES_PER_SHARD, frames // 64))


def cut(videos: Sequence[int], target: int) -> list[int]:
    """Cut videos into shards.

    Parameters
    ----------
    videos : sequence of int
        Frames of each video, in order; at least 1 each.
    target : int
        Most frames of a shard, at least 1.

    Returns
    -------
    list of int
        Frames of each shard, in order. A video is cut only where it alone exceeds `target`.
    """
    shards, current = [], 0
    for frames in videos:
        if current and current + frames > target:
            shards.append(current)
            current = 0
        whole, rest = divmod(frames, target)
        if whole and current == 0:
            shards += [target] * whole
            current = rest
        else:
            current += frames
    return [*shards, current] if current else shards


def cut_manifest(frames: pa.Table) -> tuple[pa.Table, Plan]:
    """Give every row its shard.

    Parameters
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, sorted by video.

    Returns
    -------
    tuple of (pyarrow.Table, Plan)
        `SHARDED_MANIFEST`, and the plan.
    """
    starts = _video_starts(frames)
    videos = np.diff([*starts, frames.num_rows])
    sizes = cut(videos.tolist(), frames_per_shard(frames.num_rows))
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    shard = np.repeat(np.arange(len(sizes)), sizes)
    sharded = frames.append_column(SHARDED_MANIFEST.field("shard"), pa.array(shard, pa.int64()))
    return sharded, Plan(len(sizes), tuple(_first_shards_of_parts(firsts, set(starts.tolist()))))


def _video_starts(frames: pa.Table) -> npt.NDArray[np.int64]:
    # Encoded first: the names of very many frames would not fit one chunk.
    codes = frames["video_id"].dictionary_encode().combine_chunks().indices.to_numpy()
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1]).astype(np.int64)


def _first_shards_of_parts(firsts: npt.NDArray[np.int64], starts: set[int]) -> Iterator[int]:
    """Begin a part where the last has its rows, at the next shard that begins a video."""
    part_start = None
    for shard, row in enumerate(firsts.tolist()):
        if part_start is None or (row - part_start >= ROWS_PER_PART and row in starts):
            part_start = row
            yield shard


# ---------------------------------------------------------------------------------------- groups


def group_shards(shards: npt.NDArray[np.int64], workers: int) -> list[npt.NDArray[np.int64]]:
    """Group shards into what a worker is given at once.

    Many at first, which costs the driver little and lets a worker read ahead; one at a time in the end, so
    that all workers finish together (guided self-scheduling, doi:10.1109/TC.1987.5009495).

    Parameters
    ----------
    shards : ndarray
        (N,), int64.
    workers : int
        At least 1; others may join.

    Returns
    -------
    list of ndarray
        All shards, in order, at least 1 a group.
    """
    least = 1 + len(shards) // MOST_GROUPS
    most = max(MOST_SHARDS_PER_GROUP, least)
    starts, start = [], 0
    while start < len(shards):
        starts.append(start)
        start += min(most, max(least, (len(shards) - start) // (GROUPS_PER_WORKER * workers)))
    return np.split(shards, starts[1:]) if starts else []


# ---------------------------------------------------------------------------------------- files


def write_parts(sharded: pa.Table, plan: Plan, folder: str, metadata: dict[str, str]) -> None:
    """Write each part of a manifest to a folder, atomically."""
    shards = sharded["shard"].to_numpy()
    for part in range(len(plan.first_shards)):
        own = plan.shards_of(part)
        start, stop = np.searchsorted(shards, [own.start, own.stop])
        table = sharded.slice(start, stop - start).replace_schema_metadata(metadata)
        storage.write(part_path(folder, part), _part_bytes(table))


def part_path(folder: str, part: int) -> str:
    """Return where a part lies."""
    return storage.join(folder, f"part-{part:05d}.parquet")


def _part_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        for group in _groups(table["shard"].to_numpy()):
            writer.write_table(table.slice(group.start, len(group)), row_group_size=len(group))
    return sink.getvalue()


def _groups(shards: npt.NDArray[np.int64]) -> Iterable[range]:
    """Cut rows into groups of about `ROWS_PER_GROUP` between shards."""
    begins = np.flatnonzero(np.diff(shards, prepend=-1)).tolist()
    start = 0
    for begin in [*begins[1:], len(shards)]:
        if begin - start >= ROWS_PER_GROUP or begin == len(shards):
            yield range(start, begin)
            start = begin


def read_shard(folder: str, plan: Plan, shard: int) -> pa.Table:
    """Read a shard's rows.

    Returns
    -------
    pyarrow.Table
        `schema.MANIFEST`.

    Raises
    ------
    StorageError
    """
    rows = _read_group(part_path(folder, plan.part_of(shard)), shard)
    start, stop = np.searchsorted(rows["shard"].to_numpy(), [shard, shard + 1])
    return rows.slice(start, stop - start).select(MANIFEST.names)


@lru_cache(maxsize=2)
def _open_part(path: str) -> pq.ParquetFile:
    return open_table(path)


def _read_group(path: str, shard: int) -> pa.Table:
    return _load_group(path, _group_of(path, shard))


@lru_cache(maxsize=2)
def _load_group(path: str, group: int) -> pa.Table:
    return _open_part(path).read_row_group(group)


def _group_of(path: str, shard: int) -> int:
    lasts = _last_shards(path)
    return bisect.bisect_left(lasts, shard)


@lru_cache(maxsize=2)
def _last_shards(path: str) -> list[int]:
    """Return the last shard of each row group, from the file's statistics."""
    metadata = _open_part(path).metadata
    column = SHARDED_MANIFEST.get_field_index("shard")
    groups = range(metadata.num_row_groups)
    return [metadata.row_group(group).column(column).statistics.max for group in groups]
