"""Facts about `flipbatch.scoring.place_sample`: which frames a first pass scores."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flipbatch.scoring import place_sample
from flipbatch.scoring.manifest_parts import read_shard
from flipbatch.scoring.place_sample import FRAMES_PER_PLACE, count_places, sample_size, write_sample
from flipbatch.scoring.run import ScoringRun
from tests.scoring.conftest import Frames, manifest_of


def frames_of(**places: int) -> Frames:
    """Return so many frames of each place, in videos of 10, half of them flips."""
    return [
        (f"{place}/{label}/{frame // 20:04d}", frame % 20 // 2, f"/f/{place}/{frame}.jpg", label)
        for place, count in places.items()
        for frame in range(count)
        for label in [("flip", "notflip")[frame % 2]]
    ]


def sample(run: ScoringRun, folder: Path) -> list[dict]:
    counts = count_places(run.manifest, run.plan)
    plan = write_sample(run.manifest, run.plan, counts, str(folder), {})
    shards = [read_shard(str(folder), plan, shard) for shard in range(plan.shards)]
    rows = [row for shard in shards for row in shard.to_pylist()]
    assert len(rows) == sample_size(counts)
    return rows


def test_a_sample_has_all_frames_of_a_small_place_and_some_of_a_large_one(start_at, tmp_path: Path) -> None:
    rows = sample(start_at(manifest_of(frames_of(small=7, exact=64, large=1000))), tmp_path / "sample")
    assert Counter(row["group"] for row in rows) == {"small": 7, "exact": 64, "large": FRAMES_PER_PLACE}


def test_a_sample_is_spread_evenly_over_the_rows_of_its_place(start_at, tmp_path: Path) -> None:
    frames = frames_of(large=1000)
    rows = sample(start_at(manifest_of(frames)), tmp_path / "sample")
    order = {uri: row for row, (*_, uri, _) in enumerate(sorted(frames))}
    gaps = np.diff([order[row["uri"]] for row in rows])
    assert set(gaps) <= {15, 16}  # 1000 / 64


def test_a_sample_has_no_labels(start_at, tmp_path: Path) -> None:
    rows = sample(start_at(manifest_of(frames_of(a=20))), tmp_path / "sample")
    assert {(row["label"], row["split"]) for row in rows} == {(None, None)}


def test_a_place_whose_rows_are_apart_is_one(start_at, tmp_path: Path) -> None:
    labels = ("flip", "notflip")
    frames = [
        (f"{label}/{video}", 1, f"/f/{label}{video}.jpg", label) for label in labels for video in range(90)
    ]
    rows = sample(start_at(manifest_of(frames)), tmp_path / "sample")
    assert Counter(row["group"] for row in rows) == {".": FRAMES_PER_PLACE}
    assert sum("notflip" in row["uri"] for row in rows) == FRAMES_PER_PLACE // 2


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_a_sample_does_not_depend_on_how_the_manifest_is_read(
    batch: int, start_at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_at(manifest_of(frames_of(a=90, b=300, c=5)))
    sample(run, tmp_path / "whole")
    read = place_sample._batches

    def in_small_batches(*arguments):
        for rows in read(*arguments):
            yield from (rows.slice(start, batch) for start in range(0, rows.num_rows, batch))

    monkeypatch.setattr(place_sample, "_batches", in_small_batches)
    sample(run, tmp_path / "batches")
    one, other = (tmp_path / name / "part-00000.parquet" for name in ("whole", "batches"))
    assert one.read_bytes() == other.read_bytes()
    assert pq.read_table(one)["shard"].to_pylist() == sorted(pq.read_table(one)["shard"].to_pylist())
