"""Rendered frames with what a teacher says of them: a student learns from these again and again.

A teacher takes four times as long for a frame as its student. Knows batches and teachers. Does not know how
frames are rendered, or losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from flipbatch.training.imitation import Taught, Teacher, concatenated, rows_of
from flipbatch.training.rendered_places import LabelledFrames
from flipbatch.training.rendered_pool import Batch

_CPU = torch.device("cpu")


class TaughtFrames:
    """Augmented frames in memory, on the CPU: 170 kB each, of 240x135 pixels and `mobilenet_v2`.

    Parameters
    ----------
    teacher : Teacher
    places : iterator of LabelledFrames
        Frames of one place after the other.
    frames : int
        So many are taken, or a few less: whole batches.
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
        pixels: list[Tensor] = []
        said: list[Taught] = []
        for number, batch in enumerate(_batches(places, batch_size)):
            seen = augment(batch, number).pixels
            answer = teacher.says(seen.permute(0, 3, 1, 2))
            pixels.append(seen.round().to(torch.uint8).cpu())
            said.append(answer.to(_CPU, torch.float16))
            if (number + 2) * batch_size > frames:
                break
        self._pixels, self._said = torch.cat(pixels), concatenated(said)

    def __len__(self) -> int:
        return len(self._pixels)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Taught]:
        """Return the pixels of random frames, float32 (N, height, width, 3), and what is said of them."""
        rows = torch.randint(len(self), (count,), generator=generator)
        return self._pixels[rows].float(), rows_of(self._said, rows).to(_CPU, torch.float32)


def _batches(places: Iterator[LabelledFrames], size: int) -> Iterator[Batch]:
    """Yield batches of frames in their order, whatever place they show."""
    waiting: list[LabelledFrames] = []
    for place in places:
        waiting.append(place)
        while sum(len(one.positive) for one in waiting) >= size:
            pixels, regions, positive = map(np.concatenate, zip(*waiting, strict=True))
            yield Batch(*(torch.from_numpy(part[:size]) for part in (pixels, regions, positive)))
            waiting = [LabelledFrames(pixels[size:], regions[size:], positive[size:])]
