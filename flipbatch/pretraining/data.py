"""What a network learns from in pretraining: labelled frames, or frames with a teacher's outputs.

Every draw depends on seed and step alone: a run that goes on gives the same weights. Knows frames, their
augmentation and steps. Does not know reports, checkpoints or files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch

from flipbatch.pretraining.imitation_frames import ImitationFrames
from flipbatch.pretraining.pool import START, Batch, Mark, RenderedPool
from flipbatch.pretraining.recipe import PretrainRecipe, StreamRecipe
from flipbatch.pretraining.step import Pretraining, StepLosses
from flipbatch.pretraining.teacher import Teacher
from flipbatch.training.augment import color_jitter, random_affine_with_labels
from flipbatch.training.rendered_places import LabelledFrames


class TrainingData(Protocol):
    """What a network learns from."""

    @property
    def frames(self) -> int:
        """How many frames were rendered so far."""
        ...

    @property
    def oldest(self) -> Mark:
        """From where a resumed run renders."""
        ...

    def step(self, training: Pretraining) -> StepLosses:
        """Train on one batch."""
        ...


class StreamData:
    """Labelled frames of a pool; new frames replace the oldest.

    Parameters
    ----------
    pool : RenderedPool
    stream : StreamRecipe
    recipe : PretrainRecipe
    seed : int
    device : torch.device
        Of the network.
    """

    def __init__(
        self,
        pool: RenderedPool,
        stream: StreamRecipe,
        recipe: PretrainRecipe,
        seed: int,
        device: torch.device,
    ) -> None:
        self._pool, self._stream, self._recipe, self._seed = pool, stream, recipe, seed
        self._device = device

    @property
    def frames(self) -> int:
        """How many frames were rendered so far."""
        return self._pool.frames

    @property
    def oldest(self) -> Mark:
        """Where the oldest place in the pool starts."""
        return self._pool.oldest

    def step(self, training: Pretraining) -> StepLosses:
        """Train on one batch of the pool, augmented."""
        self._pool.fill(self._stream.fewest_frames + self._recipe.frames_per_step * training.done)
        generator = _generator(self._seed, training.done)
        batch = augmented(self._pool.draw(self._stream.batch_size, generator), generator, self._device)
        torch.manual_seed(training.done)
        return training.step(batch)


class ImitationData:
    """Augmented frames with a teacher's outputs; all are rendered before the first step.

    Parameters
    ----------
    teacher : Teacher
    places : iterator of LabelledFrames
    stream : StreamRecipe
    recipe : PretrainRecipe
    seed : int
    device : torch.device
        Of the network and of the teacher.
    """

    oldest = START
    """A resumed run renders all frames again."""

    def __init__(
        self,
        teacher: Teacher,
        places: Iterator[LabelledFrames],
        stream: StreamRecipe,
        recipe: PretrainRecipe,
        seed: int,
        device: torch.device,
    ) -> None:
        def augment(batch: Batch, number: int) -> Batch:
            return augmented(batch, _generator(seed, number), device)

        self._stream, self._seed, self._device = stream, seed, device
        self._data = ImitationFrames(teacher, places, recipe.imitation_frames, stream.batch_size, augment)

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self._data)

    def step(self, training: Pretraining) -> StepLosses:
        """Train on the teacher's outputs for random frames."""
        pixels, outputs = self._data.draw(self._stream.batch_size, _generator(self._seed, training.done))
        torch.manual_seed(training.done)
        return training.imitate(pixels.to(self._device).float(), outputs.to(self._device, torch.float32))


def augmented(batch: Batch, generator: torch.Generator, device: torch.device) -> Batch:
    """Return a batch on a device, each frame transformed and its colours changed.

    Parameters
    ----------
    batch : Batch
        On the CPU.
    generator : torch.Generator
        On the CPU.
    device : torch.device

    Returns
    -------
    Batch
        Its pixels are float32, 0 to 255.
    """
    pixels, regions = random_affine_with_labels(batch.pixels, batch.regions, generator)
    jittered = color_jitter(pixels.to(device).permute(0, 3, 1, 2), generator)
    channels_last = jittered.permute(0, 2, 3, 1).contiguous()
    return Batch(channels_last, regions.to(device), batch.positive.to(device))


def _generator(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
