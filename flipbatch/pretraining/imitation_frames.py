"""Rendered frames with a teacher's outputs in memory: a student learns from these again and again.

A teacher takes four times as long for a frame as its student. Knows batches and teachers. Does not know how
frames are rendered, or losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from flipbatch.pretraining.pool import Batch
from flipbatch.pretraining.teacher import Teacher, TeacherOutputs
from flipbatch.training.rendered_places import LabelledFrames

_CPU = torch.device("cpu")


class ImitationFrames:
    """Augmented frames, uint8, and a teacher's outputs, float16, both on the CPU.

    They take 170 kB a frame of 240x135 pixels, if the teacher is `mobilenet_v2`.

    Parameters
    ----------
    teacher : Teacher
    places : iterator of LabelledFrames
        Frames of one place after the other.
    frames : int
        So many are taken, rounded up to whole batches.
    batch_size : int
        Frames that the teacher takes at a time.
    augment : callable
        Returns a batch, augmented, on the teacher's device, given it and its number.
    """

    def __init__(
        self,
        teacher: Teacher,
        places: Iterator[LabelledFrames],
        frames: int,
        batch_size: int,
        augment: Callable[[Batch, int], Batch],
    ) -> None:
        count = -(-frames // batch_size) * batch_size
        batches = _batches(places, batch_size)
        for number in range(count // batch_size):
            pixels = augment(next(batches), number).pixels
            outputs = teacher.outputs(pixels.permute(0, 3, 1, 2))
            if number == 0:
                self._pixels = torch.empty((count, *pixels.shape[1:]), dtype=torch.uint8)
                self._outputs = outputs.room_for(count, _CPU, torch.float16)
            rows = slice(number * batch_size, (number + 1) * batch_size)
            self._pixels[rows] = pixels.round().to(_CPU, torch.uint8)
            for room, one in zip(self._outputs.tensors, outputs.tensors, strict=True):
                room[rows] = one.to(_CPU)

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self._pixels)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, TeacherOutputs]:
        """Return random frames.

        Returns
        -------
        tuple of (Tensor, TeacherOutputs)
            (count, height, width, 3), uint8 RGB; and the outputs for them, float16. Both are on the CPU.
        """
        rows = torch.randint(len(self), (count,), generator=generator)
        return self._pixels[rows], self._outputs.rows(rows)


def _batches(places: Iterator[LabelledFrames], size: int) -> Iterator[Batch]:
    """Yield batches of frames in their order, whatever place they show."""
    waiting: list[LabelledFrames] = []
    for place in places:
        waiting.append(place)
        while sum(len(one.positive) for one in waiting) >= size:
            pixels, regions, positive = map(np.concatenate, zip(*waiting, strict=True))
            yield Batch(*(torch.from_numpy(part[:size]) for part in (pixels, regions, positive)))
            waiting = [LabelledFrames(pixels[size:], regions[size:], positive[size:])]
