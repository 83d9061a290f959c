"""Scoring in this process, one shard after the other: without a cluster, and without its start.

Knows the steps of scoring and their order. Does not import Ray. A frame that ends the process also ends the
command. If the command is repeated, it detects the frame and resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flipbatch.scoring.attempts import finish_attempt
from flipbatch.scoring.executor import Result, Shards, Work
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.score_shard import CommittedShard, commit_shard, predict_shard
from flipbatch.scoring.shards import chunk_shards


class LocalExecutor:
    """An `Executor` in this process: on one core, or one core and a GPU."""

    def score_shards(self, work: Work, shards: Shards) -> Iterator[CommittedShard]:
        """Score shards in order."""
        predictors = work.load_predictors()
        for chunk in chunk_shards(shards, workers=1):
            attempt = work.start_attempt(chunk)
            for decoded in work.decode(attempt):
                yield commit_shard(work.run, predict_shard(work.run, predictors, decoded))
            finish_attempt(work.run, attempt)

    def map_parts(self, function: Callable[[ScoringRun, int], Result], run: ScoringRun) -> Iterator[Result]:
        """Call a function with each part."""
        return (function(run, part) for part in run.plan.parts)
