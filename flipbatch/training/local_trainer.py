"""Training in this process: one rank, no Ray, the same bundles.

Knows how to decode and fit here, and its own checkpoint file; what happens in a fit is `fit_model`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.decode import InputSize
from flipbatch.models.precision import require_gpu
from flipbatch.training.checkpoint_file import read_checkpoint, write_checkpoint
from flipbatch.training.fit import Checkpoint
from flipbatch.training.fit_model import FitTask, fit_model
from flipbatch.training.frame_cache import OUTCOMES, Batch, collect_splits, decode_rows
from flipbatch.training.observer import EpochFinished
from flipbatch.training.process_settings import set_up

DECODED_AT_A_TIME = 256


@dataclass(frozen=True)
class LocalTrainer:
    """The executor that needs no Ray.

    Attributes
    ----------
    threads : int
        How many this process may use.
    device : torch.device
    """

    threads: int
    device: torch.device

    @classmethod
    def on_this_machine(cls, workers: int, gpu: bool) -> LocalTrainer:
        """Return one with torch's threads (all CPUs, or OMP_NUM_THREADS), on a GPU if asked.

        Raises
        ------
        InputError
            If several workers are asked for, or a GPU that is not there.
        """
        if workers != 1:
            raise InputError("--executor local trains in one process: leave --workers out, or use Ray.")
        if gpu:
            require_gpu()
        return cls(torch.get_num_threads(), torch.device("cuda" if gpu else "cpu"))

    def decode(self, rows: pa.Table, size: InputSize) -> LocalFrames:
        """Decode frames one after the other and keep their pixels in memory."""
        return LocalFrames(self, list(_decoded_batches(rows, size)), size)


@dataclass(frozen=True)
class LocalFrames:
    """Decoded frames in this process's memory."""

    trainer: LocalTrainer
    batches: list[Batch]
    size: InputSize

    @property
    def outcomes(self) -> pa.Table:
        """`frame_cache.OUTCOMES`, sorted by row."""
        columns = OUTCOMES.names
        tables = [pa.table({name: batch[name] for name in columns}, OUTCOMES) for batch in self.batches]
        return pa.concat_tables(tables).sort_by("row")

    def fit(self, task: FitTask, epoch_finished: EpochFinished) -> None:
        """Train one model, from its checkpoint file if there is one."""
        set_up(self.trainer.threads)
        file = storage.join(task.checkpoints, f"{task.name}.pt")

        def report(entry: dict[str, Any], checkpoint: Checkpoint) -> None:
            epoch_finished(checkpoint["history"])
            write_checkpoint(checkpoint, file)

        caches = collect_splits(self.batches, task.splits, self.size)
        fit_model(task, caches, self.trainer.device, report, read_checkpoint(file))


def _decoded_batches(rows: pa.Table, size: InputSize) -> Iterator[Batch]:
    for start in range(0, rows.num_rows, DECODED_AT_A_TIME):
        part = rows.slice(start, DECODED_AT_A_TIME)
        columns = {name: part[name].to_numpy(zero_copy_only=False) for name in part.column_names}
        yield decode_rows(columns, size)
