"""The interface of an executor: `local_executor` scores in this process, `ray_executor` on a Ray cluster.

Knows what a worker needs to score shards, and what the driver asks of an executor. Does not know Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from flipbatch.frames.decode import InputSize
from flipbatch.models.bundle import Bundle
from flipbatch.models.precision import Device
from flipbatch.models.predictor import Predictor, fastest_engine
from flipbatch.scoring.attempts import Attempt, new_job, start_attempt
from flipbatch.scoring.engines import require_engine
from flipbatch.scoring.progress import Progress
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.score_shard import CommittedShard, DecodedShard, decode_shards
from flipbatch.scoring.timing import Timing

Result = TypeVar("Result")

Shards = np.ndarray[Any, np.dtype[np.int64]]
"""(N,), int64, in order."""

RESUME = "The same command resumes the run."


@dataclass(frozen=True)
class Work:
    """What a worker needs to score shards.

    Attributes
    ----------
    run : ScoringRun
    bundles : list of Bundle
    device : {"cpu", "cuda"}
        Where frames are predicted.
    allow_mixed_engines : bool
        Whether another engine than that of the run's other shards may score.
    retry : bool
        Whether the shards are committed, and only frames whose storage failed are read again.
    job : str
        Of `attempts.new_job`.
    """

    run: ScoringRun
    bundles: list[Bundle]
    device: Device = "cpu"
    allow_mixed_engines: bool = False
    retry: bool = False
    job: str = field(default_factory=new_job)

    def load_predictors(self) -> list[Predictor]:
        """Load the models, and require that the run has no other engine.

        Raises
        ------
        BundleError, OutputError
        """
        predictors = [Predictor(bundle, fastest_engine(bundle, self.device)) for bundle in self.bundles]
        # The engine depends on the device alone: all models of a worker have the same.
        require_engine(self.run.directory, predictors[0].engine, self.allow_mixed_engines)
        return predictors

    def start_attempt(self, chunk: Shards) -> Attempt:
        """Write the marker of a chunk of shards."""
        return start_attempt(self.run, chunk.tolist(), self.job, self.retry)

    def decode(self, attempt: Attempt) -> Iterator[DecodedShard]:
        """Decode the shards of an attempt."""
        sizes: list[InputSize] = list(dict.fromkeys(bundle.input_size for bundle in self.bundles))
        return decode_shards(self.run, sizes, attempt.shards, attempt.quarantined, self.retry)


def score_with_progress(executor: Executor, work: Work, shards: Sequence[int], progress: Progress) -> Timing:
    """Score shards, and report each after its commit; return how long they took."""
    timing = Timing()
    if not shards:
        return timing
    with closing(progress):
        for shard in executor.score_shards(work, np.array(shards, dtype=np.int64)):
            progress.add(shard.frames, shard.errors, shard.retries)
            timing += Timing.of(shard)
    return timing


class Executor(Protocol):
    """Runs the work of a run. Every executor gives the same files."""

    def score_shards(self, work: Work, shards: Shards) -> Iterator[CommittedShard]:
        """Score shards; yield each after its commit, in any order."""
        ...

    def map_parts(self, function: Callable[[ScoringRun, int], Result], run: ScoringRun) -> Iterator[Result]:
        """Call a function with each part of a run; yield the results in the order of the parts."""
        ...
