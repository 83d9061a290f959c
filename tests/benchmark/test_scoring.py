"""The job's steady rate is the sum of its workers' own."""

import pytest

from flipbatch.benchmark.scoring import repeated, sum_of_workers


def shard(worker, began, committed, frames=100):
    return {"worker": worker, "started": began, "committed": committed, "frames": frames}


def test_a_workers_rate_runs_from_its_first_reading_to_its_last_commit():
    assert sum_of_workers([shard("a", 10.0, 11.0), shard("a", 12.0, 14.0)]) == pytest.approx(200 / 4)


def test_workers_add_up_whenever_they_began():
    rows = [shard("a", 0.0, 1.0), shard("b", 50.0, 52.0)]
    assert sum_of_workers(rows) == pytest.approx(100 + 50)


def test_frames_are_repeated_until_there_are_enough():
    rows = repeated(["x", "y"], ["flip", None], 5)
    assert rows["uri"].to_pylist() == ["x", "y", "x", "y", "x"]
    assert rows["label"].to_pylist() == ["flip", None, "flip", None, "flip"]
    assert rows.sort_by([("video_id", "ascending"), ("frame_number", "ascending")]).equals(rows)
