"""Facts about `flipbatch.scoring.shards`."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import StorageError
from flipbatch.schema import MANIFEST
from flipbatch.scoring import shards as module
from flipbatch.scoring.shards import (
    MOST_GROUPS,
    Plan,
    cut,
    cut_manifest,
    frames_per_shard,
    group_shards,
    part_path,
    read_shard,
    write_parts,
)

videos = st.lists(st.integers(1, 40), max_size=30)
targets = st.integers(1, 20)


def frames_of(videos):
    """A manifest of videos of so many frames each."""
    ids = [f"v{video:04d}" for video, frames in enumerate(videos) for _ in range(frames)]
    numbers = [number for frames in videos for number in range(frames)]
    uris = [f"{video_id}_{number}.jpg" for video_id, number in zip(ids, numbers, strict=True)]
    columns = [ids, numbers, uris, [None] * len(ids), [None] * len(ids)]
    return pa.table(columns, schema=MANIFEST)


@pytest.fixture
def small(monkeypatch):
    """Shards of at most 4 frames, groups of 8 rows, parts of 20."""
    monkeypatch.setattr(module, "MOST_FRAMES_PER_SHARD", 4)
    monkeypatch.setattr(module, "LEAST_FRAMES_PER_SHARD", 4)
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 8)
    monkeypatch.setattr(module, "ROWS_PER_PART", 20)


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


def test_whole_videos_are_gathered_in_order():
    assert cut([3, 3, 3, 10, 1, 1], 6) == [6, 3, 6, 6]


def test_no_videos_make_no_shards():
    assert cut([], 5) == []


@pytest.mark.parametrize(("frames", "target"), [(1, 16), (1024, 16), (2048, 32), (16_384, 256), (10**9, 256)])
def test_a_small_run_is_cut_finer(frames, target):
    assert frames_per_shard(frames) == target


def test_every_row_gets_its_shard_in_order(small):
    sharded, plan = cut_manifest(frames_of([3, 2, 9]))
    assert sharded["shard"].to_pylist() == [0] * 3 + [1] * 2 + [2] * 4 + [3] * 4 + [4]
    assert sharded.schema == module.SHARDED_MANIFEST
    assert plan == Plan(5, (0,))


def test_the_cut_does_not_depend_on_chunks(small):
    whole = frames_of([3, 2, 9, 1])
    pieces = pa.concat_tables([whole.slice(row, 1) for row in range(whole.num_rows)])
    assert cut_manifest(whole)[0].equals(cut_manifest(pieces)[0].combine_chunks())


# ---------------------------------------------------------------------------------------- parts


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_every_shard_is_in_exactly_one_part(videos):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_PER_PART", 20)
        _, plan = cut_manifest(frames_of(videos))
    parts = range(len(plan.first_shards))
    assert [shard for part in parts for shard in plan.shards_of(part)] == list(range(plan.shards))
    assert all(plan.part_of(shard) == part for part in parts for shard in plan.shards_of(part))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_a_part_begins_with_a_video_and_has_its_rows(videos):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_PER_PART", 20)
        patch.setattr(module, "LEAST_FRAMES_PER_SHARD", 4)
        patch.setattr(module, "MOST_FRAMES_PER_SHARD", 4)
        sharded, plan = cut_manifest(frames_of(videos))
    shard = sharded["shard"].to_pylist()
    firsts = [shard.index(first) for first in plan.first_shards]
    assert all(sharded["frame_number"][row].as_py() == 0 for row in firsts)
    assert all(later - sooner >= 20 for sooner, later in pairwise(firsts))


def test_every_shard_is_read_as_it_was_cut(small, tmp_path):
    frames = frames_of([3, 2, 9, 1, 4, 4, 30, 2, 2])
    sharded, plan = cut_manifest(frames)
    write_parts(sharded, plan, str(tmp_path), {})
    assert len(plan.first_shards) > 1
    read = [read_shard(str(tmp_path), plan, shard) for shard in range(plan.shards)]
    assert pa.concat_tables(read).to_pylist() == frames.to_pylist()
    assert [table.num_rows for table in read] == cut([3, 2, 9, 1, 4, 4, 30, 2, 2], 4)
    assert read[0].schema.names == MANIFEST.names


def test_shards_may_be_read_in_any_order(small, tmp_path):
    sharded, plan = cut_manifest(frames_of([4] * 20))
    write_parts(sharded, plan, str(tmp_path), {})
    for shard in (19, 0, 7, 19, 6):
        assert set(read_shard(str(tmp_path), plan, shard)["video_id"].to_pylist()) == {f"v{shard:04d}"}


def test_row_groups_hold_whole_shards(small, tmp_path):
    sharded, plan = cut_manifest(frames_of([3] * 20))
    write_parts(sharded, plan, str(tmp_path), {})
    file = pq.ParquetFile(part_path(str(tmp_path), 0))
    groups = [set(file.read_row_group(i)["shard"].to_pylist()) for i in range(file.num_row_groups)]
    assert len(groups) > 1
    assert all(not (a & b) for a, b in pairwise(groups))


def test_parts_are_the_same_bytes_each_time_and_carry_their_metadata(small, tmp_path):
    sharded, plan = cut_manifest(frames_of([4, 4]))
    for folder in ("one", "two"):
        write_parts(sharded, plan, f"{tmp_path}/{folder}", {"flipbatch.manifest": "abc"})
    assert (tmp_path / "one/part-00000.parquet").read_bytes() == (
        tmp_path / "two/part-00000.parquet"
    ).read_bytes()
    assert pq.read_schema(tmp_path / "one/part-00000.parquet").metadata[b"flipbatch.manifest"] == b"abc"


def test_a_part_that_is_missing_or_damaged_says_so(tmp_path):
    with pytest.raises(
        StorageError, match=r"Can't read the table .*/part-00000\.parquet: there is no such file"
    ):
        read_shard(str(tmp_path), Plan(1, (0,)), 0)
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"The table .*/part-00000\.parquet is damaged: "):
        read_shard(str(tmp_path), Plan(1, (0,)), 0)


# ------------------------------------------------------------------------------ groups


@given(st.integers(0, 5000), st.integers(1, 64))
def test_groups_hold_every_shard_once_in_order(shards, workers):
    groups = group_shards(np.arange(shards), workers)
    assert all(len(group) for group in groups)
    assert np.array_equal(np.concatenate([np.arange(0), *groups]), np.arange(shards))


@given(st.integers(1, 5000), st.integers(1, 64))
def test_groups_shrink_until_the_last_are_of_one_shard(shards, workers):
    sizes = [len(group) for group in group_shards(np.arange(shards), workers)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-min(len(sizes), workers) :] == [1] * min(len(sizes), workers)


def test_few_shards_are_spread_over_all_workers():
    assert len(group_shards(np.arange(8), workers=8)) == 8


def test_very_many_shards_make_few_groups():
    assert len(group_shards(np.arange(4_000_000), workers=1000)) <= MOST_GROUPS
