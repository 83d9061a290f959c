"""Facts about `flipbatch.scoring.shards`."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.errors import StorageError
from flipbatch.schema import MANIFEST
from flipbatch.scoring import shards as module
from flipbatch.scoring.manifest_parts import part_path, read_shard, write_parts
from flipbatch.scoring.shards import (
    MOST_CHUNKS,
    Plan,
    chunk_shards,
    cut_manifest,
    frames_per_shard,
    plan_of,
    video_starts,
)

videos = st.lists(st.integers(1, 40), max_size=30)
targets = st.integers(1, 20)


def frames_of(videos):
    """A manifest of videos of so many frames each."""
    ids = [f"v{video:04d}" for video, frames in enumerate(videos) for _ in range(frames)]
    numbers = [number for frames in videos for number in range(frames)]
    uris = [f"{video_id}_{number}.jpg" for video_id, number in zip(ids, numbers, strict=True)]
    columns = [ids, numbers, uris, *[[None] * len(ids)] * 3, ids, *[[None] * len(ids)] * 2]
    return pa.table(columns, schema=MANIFEST)


def cut_small(patch, target=4):
    """Cut into shards of at most 4 frames, groups of 8 rows, parts of 20."""
    patch.setattr(module, "MOST_FRAMES_PER_SHARD", target)
    patch.setattr(module, "LEAST_FRAMES_PER_SHARD", target)
    patch.setattr(module, "ROWS_PER_GROUP", 2 * target)
    patch.setattr(module, "ROWS_PER_PART", 5 * target)


@pytest.fixture
def small(monkeypatch):
    cut_small(monkeypatch)


def groups_of(frames, rows_at_a_time=7):
    return cut_manifest(frames.to_batches(max_chunksize=rows_at_a_time), frames.num_rows)


def sharded_of(frames, rows_at_a_time=7):
    tables = [group.rows for group in groups_of(frames, rows_at_a_time)]
    return pa.concat_tables([module.SHARDED_MANIFEST.empty_table(), *tables])


def write(frames, folder, metadata=None, rows_at_a_time=7):
    return plan_of(write_parts(groups_of(frames, rows_at_a_time), str(folder), metadata or {}))


def cut(videos, target, rows_at_a_time=7):
    """Frames of each shard, in order."""
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch, target)
        shards = sharded_of(frames_of(videos), rows_at_a_time)["shard"].to_pylist()
    assert shards == sorted(shards)
    return list(Counter(shards).values())


def cut_of_whole_videos(videos, target):
    """The same from the sizes of all videos, and no rows."""
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


# ---------------------------------------------------------------------------------------- the cut


@given(videos, targets)
def test_shards_hold_all_frames_and_none_too_many(videos, target):
    shards = cut(videos, target)
    assert sum(shards) == sum(videos)
    assert all(1 <= frames <= target for frames in shards)


@given(videos, targets)
def test_a_video_is_cut_only_where_it_alone_exceeds_the_target(videos, target):
    ends = set(accumulate(cut(videos, target)))
    start = 0
    for frames in videos:
        cut_inside = any(start < end < start + frames for end in ends)
        assert not cut_inside or frames > target
        start += frames


@given(videos, targets)
def test_no_two_shards_that_follow_each_other_would_fit_one_without_cutting_more(videos, target):
    shards = cut(videos, target)
    assert all(a + b > target for a, b in pairwise(shards))


@given(videos, targets, st.integers(1, 50))
@settings(deadline=None)
def test_rows_in_batches_are_cut_as_whole_videos_are(videos, target, rows_at_a_time):
    assert cut(videos, target, rows_at_a_time) == cut_of_whole_videos(videos, target)


def test_whole_videos_are_gathered_in_order():
    assert cut([3, 3, 3, 10, 1, 1], 6) == [6, 3, 6, 6]


def test_no_videos_make_no_shards():
    assert cut([], 5) == []


@pytest.mark.parametrize(
    ("frames", "target"), [(1, 128), (8192, 128), (12_800, 200), (16_384, 256), (10**9, 256)]
)
def test_a_small_run_is_cut_finer(frames, target):
    assert frames_per_shard(frames) == target


def test_every_row_gets_its_shard_in_order(small):
    frames = frames_of([3, 2, 9])
    assert sharded_of(frames)["shard"].to_pylist() == [0] * 3 + [1] * 2 + [2] * 4 + [3] * 4 + [4]
    assert sharded_of(frames).schema == module.SHARDED_MANIFEST
    assert sharded_of(frames).drop_columns("shard").equals(frames)
    assert plan_of(groups_of(frames)) == Plan(5, (0,))


def test_one_video_of_any_length_is_never_held_whole(small):
    held = [group.rows.num_rows for group in groups_of(frames_of([1000]))]
    assert (sum(held), max(held)) == (1000, 8)


@given(videos, st.integers(1, 9))
@settings(deadline=None)
def test_videos_begin_at_the_same_rows_however_they_are_batched(videos, rows_at_a_time):
    frames, found, before, row = frames_of(videos), [], None, 0
    for batch in frames.to_batches(max_chunksize=rows_at_a_time):
        found += [row + start for start in video_starts(batch, before)]
        before, row = batch.column("video_id")[-1].as_py(), row + batch.num_rows
    assert found == [0, *accumulate(videos)][: len(videos)]


# ---------------------------------------------------------------------------------------- parts


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
@settings(deadline=None)
def test_every_shard_is_in_exactly_one_part(videos):
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch)
        plan = plan_of(groups_of(frames_of(videos)))
    parts = range(len(plan.first_shards))
    assert [shard for part in parts for shard in plan.shards_of(part)] == list(range(plan.shards))
    assert all(plan.part_of(shard) == part for part in parts for shard in plan.shards_of(part))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
@settings(deadline=None)
def test_a_part_begins_with_a_video_and_has_its_rows(videos):
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch)
        sharded, plan = sharded_of(frames_of(videos)), plan_of(groups_of(frames_of(videos)))
    shard = sharded["shard"].to_pylist()
    firsts = [shard.index(first) for first in plan.first_shards]
    assert all(sharded["frame_number"][row].as_py() == 0 for row in firsts)
    assert all(later - sooner >= 20 for sooner, later in pairwise(firsts))


def test_every_shard_is_read_as_it_was_cut(small, tmp_path):
    frames = frames_of([3, 2, 9, 1, 4, 4, 30, 2, 2])
    plan = write(frames, tmp_path)
    assert len(plan.first_shards) > 1
    read = [read_shard(str(tmp_path), plan, shard) for shard in range(plan.shards)]
    assert pa.concat_tables(read).to_pylist() == frames.to_pylist()
    assert [table.num_rows for table in read] == cut_of_whole_videos([3, 2, 9, 1, 4, 4, 30, 2, 2], 4)
    assert read[0].schema.names == MANIFEST.names


def test_shards_may_be_read_in_any_order(small, tmp_path):
    plan = write(frames_of([4] * 20), tmp_path)
    for shard in (19, 0, 7, 19, 6):
        assert set(read_shard(str(tmp_path), plan, shard)["video_id"].to_pylist()) == {f"v{shard:04d}"}


def test_row_groups_hold_whole_shards(small, tmp_path):
    write(frames_of([3] * 20), tmp_path)
    file = pq.ParquetFile(part_path(str(tmp_path), 0))
    groups = [set(file.read_row_group(i)["shard"].to_pylist()) for i in range(file.num_row_groups)]
    assert len(groups) > 1
    assert all(not (a & b) for a, b in pairwise(groups))


def test_parts_carry_their_metadata(small, tmp_path):
    write(frames_of([4, 4]), tmp_path, {"flipbatch.manifest": "abc"})
    assert pq.read_schema(tmp_path / "part-00000.parquet").metadata[b"flipbatch.manifest"] == b"abc"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_parts_are_the_same_bytes_however_rows_are_batched(videos, rows_at_a_time):
    frames = frames_of(videos)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        cut_small(patch)
        plans = [write(frames, f"{folder}/{rows}", None, rows) for rows in (rows_at_a_time, 10_000)]
        files = [[file.read_bytes() for file in sorted(path.iterdir())] for path in Path(folder).iterdir()]
    assert plans[0] == plans[1]
    assert files[0] == files[1]
    assert len(files[0]) == len(plans[0].first_shards)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_a_group_ends_with_the_first_shard_that_fills_it_or_with_its_part(videos):
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch)
        groups = list(groups_of(frames_of(videos)))
    for group, following in pairwise(groups):
        shards = group.rows["shard"].to_pylist()
        assert following.part != group.part or len(shards) >= 8
        assert len(shards) - shards.count(shards[-1]) < 8


def test_a_part_that_is_missing_or_damaged_says_so(tmp_path):
    with pytest.raises(
        StorageError, match=r"Can't read the table .*/part-00000\.parquet: there is no such file"
    ):
        read_shard(str(tmp_path), Plan(1, (0,)), 0)
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"The table .*/part-00000\.parquet is damaged: "):
        read_shard(str(tmp_path), Plan(1, (0,)), 0)


# ------------------------------------------------------------------------------ chunks


@given(st.integers(0, 5000), st.integers(1, 64))
def test_chunks_hold_every_shard_once_in_order(shards, workers):
    chunks = chunk_shards(np.arange(shards), workers)
    assert all(len(chunk) for chunk in chunks)
    assert np.array_equal(np.concatenate([np.arange(0), *chunks]), np.arange(shards))


@given(st.integers(1, 5000), st.integers(1, 64))
def test_chunks_shrink_until_the_last_are_of_one_shard(shards, workers):
    sizes = [len(chunk) for chunk in chunk_shards(np.arange(shards), workers)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-min(len(sizes), workers) :] == [1] * min(len(sizes), workers)


def test_few_shards_are_spread_over_all_workers():
    assert len(chunk_shards(np.arange(8), workers=8)) == 8


def test_very_many_shards_make_few_chunks():
    assert len(chunk_shards(np.arange(4_000_000), workers=1000)) <= MOST_CHUNKS
