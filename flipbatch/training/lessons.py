"""What a network learns from in pretraining, step by step: labelled frames, or what a teacher says of frames.

Every draw depends on seed and step alone: a run that goes on gives the same weights. Knows frames and steps.
Does not know reports, checkpoints or files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch

from flipbatch.training.imitation import Teacher
from flipbatch.training.pretrain_recipe import STREAM
from flipbatch.training.pretraining import Pretraining, StepLosses, augmented
from flipbatch.training.rendered_places import LabelledFrames
from flipbatch.training.rendered_pool import START, Batch, RenderedPool
from flipbatch.training.taught_frames import TaughtFrames


class Lessons(Protocol):
    """What a network learns from."""

    @property
    def frames(self) -> int:
        """How many frames were rendered so far."""
        ...

    @property
    def oldest(self) -> tuple[int, int]:
        """The `Mark` from which a resumed run renders."""
        ...

    def step(self, training: Pretraining) -> StepLosses:
        """Train on one batch."""
        ...


class StreamLessons:
    """Frames with labels, which new ones replace.

    Parameters
    ----------
    pool : RenderedPool
    frames_per_step : int
        New frames per step.
    seed : int
    device : torch.device
        Of the network.
    """

    def __init__(self, pool: RenderedPool, frames_per_step: int, seed: int, device: torch.device) -> None:
        self._pool, self._frames_per_step, self._seed, self._device = pool, frames_per_step, seed, device

    @property
    def frames(self) -> int:
        """How many frames were rendered so far."""
        return self._pool.frames

    @property
    def oldest(self) -> tuple[int, int]:
        """The `Mark` of the oldest frames in the pool."""
        return (self._pool.oldest.place, self._pool.oldest.frame)

    def step(self, training: Pretraining) -> StepLosses:
        """Train on one batch of the pool, augmented."""
        self._pool.fill(STREAM.fewest_frames + self._frames_per_step * training.done)
        generator = _generator(self._seed, training.done)
        batch = augmented(self._pool.draw(STREAM.batch_size, generator), generator, self._device)
        torch.manual_seed(training.done)
        return training.step(batch)


class TaughtLessons:
    """Augmented frames with what a teacher says of them; all are rendered before the first step.

    Parameters
    ----------
    teacher : Teacher
    places : iterator of LabelledFrames
        A stream.
    frames : int
        So many are taken.
    seed : int
    device : torch.device
        Of the network and of the teacher.
    """

    def __init__(
        self,
        teacher: Teacher,
        places: Iterator[LabelledFrames],
        frames: int,
        seed: int,
        device: torch.device,
    ) -> None:
        def augment(batch: Batch, number: int) -> Batch:
            return augmented(batch, _generator(seed, number), device)

        self._taught = TaughtFrames(teacher, places, frames, STREAM.batch_size, augment)
        self._seed, self._device = seed, device

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self._taught)

    @property
    def oldest(self) -> tuple[int, int]:
        """The start of the stream: all frames are rendered again."""
        return (START.place, START.frame)

    def step(self, training: Pretraining) -> StepLosses:
        """Train on what the teacher says of random frames."""
        pixels, taught = self._taught.draw(STREAM.batch_size, _generator(self._seed, training.done))
        torch.manual_seed(training.done)
        return training.imitate(pixels.to(self._device), taught.to(self._device, torch.float32))


def _generator(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
