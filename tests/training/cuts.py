"""Training runs in this process that end where a kill would end them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flipbatch.training import local_trainer
from flipbatch.training.job import train
from flipbatch.training.observer import Observer
from flipbatch.training.options import TrainOptions


class PowerCut(BaseException):
    """Ends a run where a kill would."""


def cut_train(
    wanted: TrainOptions, epochs: int, monkeypatch: pytest.MonkeyPatch, observers: Sequence[Observer] = ()
) -> None:
    """Train until some checkpoints are written, then end the run."""
    written = 0
    write = local_trainer.write_checkpoint

    def write_and_end(*arguments: Any) -> None:
        nonlocal written
        write(*arguments)
        written += 1
        if written == epochs:
            raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(local_trainer, "write_checkpoint", write_and_end)
        with pytest.raises(PowerCut):
            train(wanted, observers=observers)
