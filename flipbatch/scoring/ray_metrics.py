"""The progress of scoring as Ray metrics: Ray exports them for Prometheus on each node.

Knows Ray's metrics and what is counted of a shard. Does not know how shards are scored.
"""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge

from flipbatch.scoring.score_shard import CommittedShard

FRAMES, SHARDS = "flipbatch_frames_total", "flipbatch_shards_total"
RETRIES, SHARDS_LEFT = "flipbatch_storage_retries_total", "flipbatch_shards_left"
"""Ray puts ``ray_`` before them."""

_RUN = "out"


class ScoringMetrics:
    """Counts of one run, kept by the process of the command.

    They are updated after the commit of a shard, and so cost nothing per frame.

    Parameters
    ----------
    out : str
        URI of the run's directory, without credentials: the label ``out`` of all metrics.
    shards : int
        How many are to be scored.
    """

    def __init__(self, out: str, shards: int) -> None:
        self._out, self._left = {_RUN: out}, shards
        self._frames = Counter(FRAMES, "Frames committed, by status.", (_RUN, "status"))
        self._shards = Counter(SHARDS, "Shards committed.", (_RUN,))
        self._retries = Counter(RETRIES, "Requests to storage that were repeated.", (_RUN,))
        self._shards_left = Gauge(SHARDS_LEFT, "Shards of the run that are not committed.", (_RUN,))
        self._shards_left.set(shards, self._out)

    def add(self, shard: CommittedShard) -> None:
        """Count a committed shard."""
        self._left -= 1
        self._shards_left.set(self._left, self._out)
        self._shards.inc(1, self._out)
        for status, frames in shard.statuses.items():
            self._frames.inc(frames, {**self._out, "status": status})
        if shard.retries:
            self._retries.inc(shard.retries, self._out)
