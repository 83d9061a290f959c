"""One process a core, all at work at once: how fast the machine is without Ray.

Knows processes and clocks; knows nothing of what they do.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

_barrier: Any = None


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cores:
    """A pool with one process a core; made by `all_cores`."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self._count = pool, count

    def rate(self, work: Callable[..., int], *arguments: Any, seconds: float) -> float:
        """Call `work` over and over on every core for some seconds.

        Parameters
        ----------
        work : callable
            A function of a module; returns how many frames it did. Its first call is not timed.
        *arguments
            What it is called with.
        seconds : float
            At least so long.

        Returns
        -------
        float
            Frames a second, of all cores together.
        """
        futures = [self._pool.submit(_repeat, work, arguments, seconds) for _ in range(self._count)]
        return sum(future.result() for future in futures)


@contextmanager
def all_cores() -> Iterator[Cores]:
    """Start the processes, and end them."""
    context, count = multiprocessing.get_context("spawn"), core_count()
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, initializer=_remember, initargs=(barrier,)) as pool:
        yield Cores(pool, count)


def _remember(barrier: Any) -> None:
    global _barrier  # noqa: PLW0603  (what a process is started with has no other place)
    _barrier = barrier


def _repeat(work: Callable[..., int], arguments: tuple[Any, ...], seconds: float) -> float:
    work(*arguments)
    _barrier.wait()
    began, frames = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        frames += work(*arguments)
    return frames / passed
