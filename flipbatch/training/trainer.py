"""The interface of an executor: decode frames once, then fit models on them.

Knows the two protocols, and which executors there are; knows no Ray and no network.
"""

from __future__ import annotations

from typing import Literal, Protocol

import pyarrow as pa

from flipbatch.frames.decode import InputSize
from flipbatch.training.fit_model import FitTask
from flipbatch.training.observer import EpochFinished

Executor = Literal["ray", "local"]


class DecodedFrames(Protocol):
    """Frames that were decoded once, wherever their pixels are."""

    @property
    def outcomes(self) -> pa.Table:
        """`frame_cache.OUTCOMES` of all frames, sorted by row."""
        ...

    def fit(self, task: FitTask, epoch_finished: EpochFinished) -> None:
        """Train one model and write its bundle and its test videos; continue from a checkpoint of the task.

        Parameters
        ----------
        task : FitTask
        epoch_finished : callable
            May be called from another thread.

        Raises
        ------
        FlipbatchError
        """
        ...


class Trainer(Protocol):
    """An executor."""

    def decode(self, rows: pa.Table, size: InputSize) -> DecodedFrames:
        """Decode frames.

        Parameters
        ----------
        rows : pyarrow.Table
            Of `frame_cache.cache_rows`, in the order in which they are dealt to workers.
        size : InputSize
        """
        ...


def trainer_for(executor: Executor, workers: int, gpu: bool) -> Trainer:
    """Return an executor: Ray's, which must be connected, or this process."""
    if executor == "local":
        from flipbatch.training.local_trainer import LocalTrainer

        return LocalTrainer.on_this_machine(workers, gpu)
    from flipbatch.training.ray_trainer import RayTrainer

    return RayTrainer(workers, gpu)
