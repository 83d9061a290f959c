"""A pool of rendered frames from which training steps draw: new frames replace the oldest.

Knows frames in memory and their numbers. Does not know how they are rendered, or networks. What the pool
holds depends on how many frames were asked for, never on time: a run can be repeated and resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from flipbatch.frames.fitting import InputSize
from flipbatch.training.rendered_places import LabelledFrames, empty_frames

Places = Callable[[int], Iterator[LabelledFrames]]
"""Yields the frames of each place of a stream, from a place's number on."""


class Mark(NamedTuple):
    """Where a place starts in a stream: the place's number, and the number of its first frame."""

    place: int = 0
    frame: int = 0


START = Mark()
"""Where a stream starts."""


class Batch(NamedTuple):
    """Frames of one training step.

    Attributes
    ----------
    pixels : Tensor
        (N, height, width, 3), RGB, 0 to 255: uint8, or float32 once it is augmented.
    regions : Tensor
        (N, height, width), uint8: the `Region` of each pixel, `NO_REGION` in the bars.
    positive : Tensor
        (N,), bool: whether it is a flip.
    """

    pixels: Tensor
    regions: Tensor
    positive: Tensor


class RenderedPool:
    """The latest frames of a stream.

    Parameters
    ----------
    places : callable
    capacity : int
        The most frames that are kept. A frame of 240x135 pixels takes 130 kB.
    size : InputSize
        The size of the frames.
    start : Mark, optional
        Where to start: an `oldest` of a pool that goes on here.

    Attributes
    ----------
    frames : int
        How many frames the stream has given so far.
    """

    def __init__(self, places: Places, capacity: int, size: InputSize, start: Mark = START) -> None:
        self._places, self._next = places(start.place), start.place
        self._kept = empty_frames(capacity, size)
        self._capacity, self._marks, self.frames = capacity, deque([start]), start.frame
        self._first = start.frame

    def __len__(self) -> int:
        """Return how many frames are in the pool."""
        return min(self._capacity, self.frames - self._first)

    @property
    def oldest(self) -> Mark:
        """The first place of which frames are still here: rendering from it gives this pool again."""
        return self._marks[0]

    def fill(self, frames: int) -> None:
        """Take whole places until the stream has given at least so many frames."""
        while self.frames < frames:
            self._add(next(self._places))

    def _add(self, new: LabelledFrames) -> None:
        """Put each frame where the frame was that is older by the capacity."""
        for row in range(len(new.positive)):
            for kept, part in zip(self._kept, new, strict=True):
                kept[self.frames % self._capacity] = part[row]
            self.frames += 1
        self._next += 1
        self._marks.append(Mark(self._next, self.frames))
        while len(self._marks) > 1 and self._marks[1].frame <= self.frames - self._capacity:
            self._marks.popleft()

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Return `count` random frames of the pool, which is not empty; some may be equal."""
        rows = torch.randint(len(self), (count,), generator=generator).numpy()
        return Batch(*(torch.from_numpy(part[rows]) for part in self._kept))
