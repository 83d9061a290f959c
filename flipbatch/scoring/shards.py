"""Sharding: a manifest is divided into shards, the unit of work, of commit and of resume.

Knows how rows are grouped into shards, row groups and parts, and shards into chunks. Does not know files,
frames, models or results. The sharding depends on the manifest alone, never on the machine: a run may resume
on another.

A part starts and ends between videos and becomes one file of predictions. A row group contains whole shards,
so that a worker reads few rows of other shards.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from flipbatch.schema import MANIFEST

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none

MOST_FRAMES_PER_SHARD = 256
"""Larger shards are not faster; shards of 64 cost a tenth of the rate (docs/performance.md)."""

LEAST_FRAMES_PER_SHARD = 128
CHUNKS_PER_WORKER = 4
MOST_SHARDS_PER_CHUNK = 32
"""Progress is reported per chunk: some 20 s of a worker's time."""

MOST_CHUNKS = 10_000
"""Each costs the driver some kilobytes and milliseconds: with very many shards the last chunks grow, too."""

ROWS_PER_GROUP = 16_384
ROWS_PER_PART = 4_194_304
"""At about 16 bytes per prediction this makes files of some 64 MB."""

SHARDED_MANIFEST = MANIFEST.append(pa.field("shard", pa.int64(), nullable=False))


@dataclass(frozen=True)
class Plan:
    """How a manifest is divided into shards.

    Attributes
    ----------
    shards : int
        Their number; shards are numbered from 0.
    first_shards : tuple of int
        The first shard of each part.
    """

    shards: int
    first_shards: tuple[int, ...]

    @property
    def parts(self) -> range:
        """The numbers of the parts."""
        return range(len(self.first_shards))

    def part_of(self, shard: int) -> int:
        """Return which part a shard is in."""
        return bisect.bisect_right(self.first_shards, shard) - 1

    def shards_of(self, part: int) -> range:
        """Return the shards of a part."""
        ends = [*self.first_shards[1:], self.shards]
        return range(self.first_shards[part], ends[part])


def frames_per_shard(frames: int) -> int:
    """Return how many frames a shard should have: fewer in a small run, so that every core gets some."""
    return min(MOST_FRAMES_PER_SHARD, max(LEAST_FRAMES_PER_SHARD, frames // 64))


class Group(NamedTuple):
    """A row group of a manifest: consecutive rows, whole shards.

    Attributes
    ----------
    part : int
        The part it belongs to.
    rows : pyarrow.Table
        `SHARDED_MANIFEST`, at least one row.
    """

    part: int
    rows: pa.Table


def cut_manifest(frames: Iterable[pa.RecordBatch], count: int) -> Iterator[Group]:
    """Give every row its shard, and gather shards into row groups and parts.

    A video is divided only if it alone exceeds `frames_per_shard`; a film before key frames, where it can.

    Parameters
    ----------
    frames : iterable of pyarrow.RecordBatch
        `schema.MANIFEST`, sorted by video. The sharding does not depend on how the rows are batched.
    count : int
        Their number.

    Yields
    ------
    Group
        In order. Memory holds one group and one batch, whatever the size of the manifest or of a video.
    """
    return _grouped(_sharded(frames, frames_per_shard(count)))


def _sharded(frames: Iterable[pa.RecordBatch], target: int) -> Iterator[pa.RecordBatch]:
    shards = _Shards(target)
    for units in _units(frames, target):
        numbers = [shards.place(size) for size in units.sizes]
        column = pa.array(np.repeat(numbers, units.sizes), pa.int64())
        yield pa.record_batch([*units.rows.columns, column], schema=SHARDED_MANIFEST)


class _Shards:
    """Fills one shard after the other with at most `target` frames."""

    def __init__(self, target: int) -> None:
        self._target, self._shard, self._frames = target, 0, 0

    def place(self, frames: int) -> int:
        """Return the shard of the next frames, at most `target`, which stay together."""
        if self._frames + frames > self._target:
            self._shard, self._frames = self._shard + 1, 0
        self._frames += frames
        return self._shard


class _Units(NamedTuple):
    """Rows, and the sizes of their units: a video, or at most `target` frames of a longer video."""

    rows: pa.RecordBatch
    sizes: list[int]


def _units(frames: Iterable[pa.RecordBatch], target: int) -> Iterator[_Units]:
    """Cut rows into units. The last unit of a batch waits for the next batch, which may have more of it."""
    waiting = pa.RecordBatch.from_pylist([], MANIFEST)
    for batch in frames:
        rows = pa.concat_batches([waiting, batch.select(MANIFEST.names)])
        sizes = _unit_sizes(rows, target)
        last = sizes.pop() if sizes else 0
        waiting = rows.slice(rows.num_rows - last)
        if sizes:
            yield _Units(rows.slice(0, rows.num_rows - last), sizes)
    if waiting.num_rows:
        yield _Units(waiting, [waiting.num_rows])


def _unit_sizes(rows: pa.RecordBatch, target: int) -> list[int]:
    ends = [*video_starts(rows)[1:].tolist(), rows.num_rows]
    starts = [0, *ends[:-1]]
    keys = pc.indices_nonzero(rows.column("key_frame")).to_numpy().astype(np.int64)
    cuts = [cut for start, end in zip(starts, ends, strict=True) for cut in _cuts(start, end, target, keys)]
    return np.diff([*cuts, rows.num_rows]).tolist() if cuts else []


def _cuts(start: int, end: int, target: int, keys: npt.NDArray[np.int64]) -> Iterator[int]:
    """Yield the rows at which the units of a video start.

    A unit of a film ends before a key frame, if there is one in its second half: the next unit then starts
    without decoding any frame before it.
    """
    while start < end:
        yield start
        last = keys[np.searchsorted(keys, start + target, side="right") - 1] if len(keys) else -1
        start = int(last) if end - start > target and last > start + target // 2 else start + target


def video_starts(rows: pa.RecordBatch, before: str | None = None) -> npt.NDArray[np.int64]:
    """Return the rows, sorted by video, at which a video starts; `before` is the last video before them."""
    codes = rows.column("video_id").dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return starts[1:] if rows.num_rows and rows.column("video_id")[0].as_py() == before else starts


class _Piece(NamedTuple):
    """Rows of one shard, and whether a shard or a video starts with them."""

    rows: pa.RecordBatch
    starts_shard: bool
    starts_video: bool


def _pieces(sharded: Iterable[pa.RecordBatch]) -> Iterator[_Piece]:
    shard, video = -1, None
    for rows in sharded:
        shards = rows.column("shard").to_numpy()
        starts_of_shards = set(np.flatnonzero(np.diff(shards, prepend=shard)).tolist())
        starts_of_videos = set(video_starts(rows, video).tolist())
        for start, end in pairwise([*sorted({0, *starts_of_shards}), rows.num_rows]):
            yield _Piece(rows.slice(start, end - start), start in starts_of_shards, start in starts_of_videos)
        shard, video = shards[-1], rows.column("video_id")[-1].as_py()


def _grouped(sharded: Iterable[pa.RecordBatch]) -> Iterator[Group]:
    """Start a group with the next shard once it has its rows; start a part with the next shard and video."""
    group, rows_of_group, part, rows_of_part = list[pa.RecordBatch](), 0, 0, 0
    for piece in _pieces(sharded):
        new_part = piece.starts_shard and piece.starts_video and rows_of_part >= ROWS_PER_PART
        if new_part or (piece.starts_shard and rows_of_group >= ROWS_PER_GROUP):
            yield _group(part, group)
            group, rows_of_group = [], 0
        if new_part:
            part, rows_of_part = part + 1, 0
        group.append(piece.rows)
        rows_of_group += piece.rows.num_rows
        rows_of_part += piece.rows.num_rows
    if group:
        yield _group(part, group)


def _group(part: int, rows: list[pa.RecordBatch]) -> Group:
    # In one piece: the bytes of the file do not depend on how the rows were batched.
    return Group(part, pa.Table.from_batches([pa.concat_batches(rows)]))


def plan_of(groups: Iterable[Group]) -> Plan:
    """Return the plan of a manifest that was divided into these groups."""
    firsts, last = dict[int, int](), -1
    for group in groups:
        shards = group.rows["shard"]
        firsts.setdefault(group.part, shards[0].as_py())
        last = shards[-1].as_py()
    return Plan(last + 1, tuple(firsts.values()))


# ---------------------------------------------------------------------------------------- chunks


def chunk_shards(shards: npt.NDArray[np.int64], workers: int) -> list[npt.NDArray[np.int64]]:
    """Divide shards into chunks; a worker gets one chunk at a time.

    The first chunks are large, which costs the driver little and lets a worker read ahead. The last have one
    shard, so that all workers finish together (guided self-scheduling, doi:10.1109/TC.1987.5009495).

    Parameters
    ----------
    shards : ndarray
        (N,), int64.
    workers : int
        At least 1. More may join later.

    Returns
    -------
    list of ndarray
        All shards, in order, at least 1 per chunk.
    """
    least = 1 + len(shards) // MOST_CHUNKS
    most = max(MOST_SHARDS_PER_CHUNK, least)
    starts, start = [], 0
    while start < len(shards):
        starts.append(start)
        start += min(most, max(least, (len(shards) - start) // (CHUNKS_PER_WORKER * workers)))
    return np.split(shards, starts[1:]) if starts else []


# ---------------------------------------------------------------------------------------- names


def part_name(part: int) -> str:
    """Return the file name of a part: of the manifest, of predictions and of videos."""
    return f"part-{part:05d}.parquet"
