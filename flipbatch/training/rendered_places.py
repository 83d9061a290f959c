"""Processes render the places of an endless stream, in order, ahead of who takes them.

Knows the stream, how a frame is fitted into an input, and processes. Does not know networks or how frames are
used.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from multiprocessing import get_context, parent_process
from typing import NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt

from flipbatch.errors import JobError
from flipbatch.frames.fitting import InputSize, fit_labels, fit_pixels
from flipbatch.synthetic.mix import WORLD, Mix
from flipbatch.synthetic.stream import scene_frames

NO_REGION = 255
"""What the bars around a fitted frame have instead of a `Region`."""

_AHEAD = 12
"""Places per process that are rendered before they are asked for, 1 MB each: more than a step takes."""


class LabelledFrames(NamedTuple):
    """Some rendered frames in memory.

    Attributes
    ----------
    pixels : ndarray
        uint8 RGB (N, height, width, 3).
    regions : ndarray
        uint8 (N, height, width): the `Region` of each pixel, `NO_REGION` in the bars.
    positive : ndarray
        bool (N,): whether it is a flip.
    """

    pixels: npt.NDArray[np.uint8]
    regions: npt.NDArray[np.uint8]
    positive: npt.NDArray[np.bool_]


def empty_frames(count: int, size: InputSize) -> LabelledFrames:
    """Return room for frames, not filled."""
    shape = (count, size.height, size.width)
    return LabelledFrames(np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8), np.empty(count, bool))


def render_place(seed: int, place: int, size: InputSize, mix: Mix = WORLD) -> LabelledFrames:
    """Render the clear frames of a place: those of its ``flip`` scene, then those of its ``notflip`` scene.

    There may be none.
    """
    wanted = (size.height, size.width)
    scenes = (2 * place, 2 * place + 1)
    found = [
        one for scene in scenes for one in scene_frames(seed, scene, size=wanted, mix=mix) if one.is_clear
    ]
    frames = empty_frames(len(found), size)
    for row, one in enumerate(found):
        frames.pixels[row] = fit_pixels(one.pixels, size)
        frames.regions[row] = fit_labels(one.regions, size, NO_REGION)
        frames.positive[row] = one.is_flip
    return frames


class PlaceRenderer:
    """Renders in processes of its own; they end with the block, or with this process.

    Places come in the order of their numbers, so that frames do not depend on the number of processes.

    Parameters
    ----------
    processes : int
        At least 1; each takes one core.
    size : InputSize
        What frames are fitted into.
    mix : Mix, optional
        Shares of what scenes show.
    """

    def __init__(self, processes: int, size: InputSize, mix: Mix = WORLD) -> None:
        self._size, self._mix = size, mix
        self._ahead = _AHEAD * processes
        self._executor = ProcessPoolExecutor(processes, get_context("spawn"), _set_up_process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    def places(self, seed: int, first: int = 0) -> Generator[LabelledFrames]:
        """Yield the places of a stream without end, from number `first` on.

        Raises
        ------
        JobError
            If a process was killed.
        """
        ahead: deque[Future[LabelledFrames]] = deque()
        try:
            for place in count(first):
                ahead.append(self._executor.submit(render_place, seed, place, self._size, self._mix))
                if len(ahead) == self._ahead:
                    yield ahead.popleft().result()
        except BrokenProcessPool:
            raise JobError(
                "A process that renders frames was killed, as happens where memory runs out: use fewer "
                "--processes, and start the same command again."
            ) from None
        finally:
            for one in ahead:
                one.cancel()


def _set_up_process() -> None:
    os.nice(10)  # training, which waits for frames where they are missing, goes first
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller, which ends this process
    threading.Thread(target=_end_with_caller, daemon=True).start()


def _end_with_caller() -> None:
    caller = parent_process()
    assert caller is not None
    caller.join()
    os._exit(1)
