"""Facts about `flipbatch.scoring.timing`."""

from __future__ import annotations

from flipbatch.scoring.score_shard import CommittedShard
from flipbatch.scoring.timing import Timing


def shard(started: float, decoded: float, committed: float, worker: str = "a") -> CommittedShard:
    return CommittedShard(0, {"ok": 100}, 0, started, decoded, committed, worker)


def test_shards_of_two_workers_overlap() -> None:
    shards = (shard(10, 13, 14), shard(11, 14, 15, "b"), shard(14, 17, 18))
    timing = sum(map(Timing.of, shards), start=Timing())
    assert (timing.frames, timing.seconds) == (300, 8)
    assert (timing.decoding, timing.predicting, len(timing.workers)) == (9, 3, 2)


def test_no_shards_took_no_time() -> None:
    assert Timing() + Timing() == Timing()
    assert Timing() + Timing.of(shard(1, 2, 3)) == Timing.of(shard(1, 2, 3)) + Timing()
