"""How fast one command scored, and where its workers' time went.

Knows the times of committed shards. Does not know clocks, Ray or how a time is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flipbatch.scoring.score_shard import CommittedShard


@dataclass(frozen=True)
class Timing:
    """Times of the shards that one command committed, in seconds; timings add.

    Attributes
    ----------
    frames : int
    first, last : float
        When the first shard was started and the last one committed, since 1970; 0 without shards.
    decoding : float
        Reading and decoding, summed over all shards.
    predicting : float
        From the last decoded frame to the commit: prediction, writing, and waiting for both. Summed too.
    workers : frozenset of str
        The processes that committed shards.
    """

    frames: int = 0
    first: float = 0.0
    last: float = 0.0
    decoding: float = 0.0
    predicting: float = 0.0
    workers: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, shard: CommittedShard) -> Timing:
        """Return the times of one shard."""
        return cls(
            frames=shard.frames,
            first=shard.started,
            last=shard.committed,
            decoding=shard.decoded - shard.started,
            predicting=shard.committed - shard.decoded,
            workers=frozenset({shard.worker}),
        )

    def __add__(self, other: Timing) -> Timing:
        return Timing(
            frames=self.frames + other.frames,
            first=min(self.first, other.first)
            if self.workers and other.workers
            else self.first + other.first,
            last=max(self.last, other.last),
            decoding=self.decoding + other.decoding,
            predicting=self.predicting + other.predicting,
            workers=self.workers | other.workers,
        )

    @property
    def seconds(self) -> float:
        """From the start of the first shard to the commit of the last one."""
        return self.last - self.first
