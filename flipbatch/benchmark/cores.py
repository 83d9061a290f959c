"""Rates of a function that one process per core calls at the same time: the machine's speed without Ray.

Knows processes and clocks. Does not know what the function does.
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
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cores:
    """A pool with one process per core; `all_cores` makes it."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self._count = pool, count

    def rate(self, work: Callable[..., int], *arguments: Any, seconds: float) -> float:
        """Call `work` repeatedly on each core for some seconds.

        Parameters
        ----------
        work : callable
            A function of a module that returns a number of frames. Its first call is not timed.
        *arguments
            Arguments of `work`.
        seconds : float
            Minimum duration.

        Returns
        -------
        float
            Frames/s, the sum of all cores.
        """
        futures = [self._pool.submit(_repeat, work, arguments, seconds) for _ in range(self._count)]
        return sum(future.result() for future in futures)


@contextmanager
def all_cores(count: int | None = None) -> Iterator[Cores]:
    """Start one process per core, or `count`; end them at exit."""
    context, count = multiprocessing.get_context("spawn"), count or core_count()
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, initializer=_remember, initargs=(barrier,)) as pool:
        yield Cores(pool, count)


def _remember(barrier: Any) -> None:
    global _barrier  # noqa: PLW0603  (a pool's initializer can't return a value)
    _barrier = barrier


def _repeat(work: Callable[..., int], arguments: tuple[Any, ...], seconds: float) -> float:
    work(*arguments)
    _barrier.wait()
    started, frames = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        frames += work(*arguments)
    return frames / passed
