"""Decoding of files that may hang the decoder or end its process.

`time_limited` decodes in this process, which ends if a decoder hangs. After such an end, `isolated` decodes
each file in a separate process, so that the one bad file becomes a rejection.

Knows decoding and processes. Does not know files, URIs or shards.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from flipbatch.frames.decode import InputSize, Rejection, decode
from flipbatch.frames.film_uris import FilmFrame
from flipbatch.runtime.subprocess_worker import SubprocessDiedError, SubprocessWorker
from flipbatch.schema import Status

LONGEST_DECODE_SECONDS = 60.0
"""Of processor time. The largest accepted picture, 100 million pixels, takes a tenth of it."""

ATTEMPTS = 2
"""A file is rejected after this number of processes ended: the first end may have had another cause."""

Decoder = Callable[[bytes | FilmFrame, InputSize, npt.NDArray[np.uint8]], Rejection | None]
"""Fills the pixels, (height, width, 3) uint8, or returns why it can't."""


def decode_inline(data: bytes | FilmFrame, size: InputSize, out: npt.NDArray[np.uint8]) -> Rejection | None:
    """Decode in this process."""
    if isinstance(data, FilmFrame):
        from flipbatch.frames.film_decode import decode_film_frame  # FFmpeg takes a while to load

        return decode_film_frame(data, size, out)
    decoded = decode(data, size, out)
    return decoded if isinstance(decoded, Rejection) else None


@contextmanager
def time_limited() -> Iterator[Decoder]:
    """Decode in this process, which ends if one file takes `LONGEST_DECODE_SECONDS`.

    A decoder that hangs may never return to Python, so the kernel ends the process, by SIGPROF.
    """

    def decode_limited(
        data: bytes | FilmFrame, size: InputSize, out: npt.NDArray[np.uint8]
    ) -> Rejection | None:
        signal.setitimer(signal.ITIMER_PROF, LONGEST_DECODE_SECONDS)
        return decode_inline(data, size, out)

    try:
        yield decode_limited
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def isolated() -> Iterator[Decoder]:
    """Decode in a separate process; a file that ends it `ATTEMPTS` times is a rejection."""
    # The process limits its own processor time; on a busy machine that takes longer on the clock.
    worker = SubprocessWorker(_decode, 5 * LONGEST_DECODE_SECONDS)

    def decode_isolated(
        data: bytes | FilmFrame, size: InputSize, out: npt.NDArray[np.uint8]
    ) -> Rejection | None:
        decoded = _attempt(worker, data, size, ATTEMPTS)
        if isinstance(decoded, Rejection):
            return decoded
        out[:] = decoded
        return None

    try:
        yield decode_isolated
    finally:
        worker.close()


def _attempt(
    worker: SubprocessWorker[npt.NDArray[np.uint8] | Rejection],
    data: bytes | FilmFrame,
    size: InputSize,
    attempts_left: int,
) -> npt.NDArray[np.uint8] | Rejection:
    try:
        return worker(data, size)
    except SubprocessDiedError as error:
        if attempts_left == 1:
            # If the process was killed from outside, the file may be good: another attempt may succeed.
            status = Status.CORRUPT if error.by_own_fault else Status.UNREADABLE
            return Rejection(status, f"it can't be decoded: {error}, {ATTEMPTS} times")
        return _attempt(worker, data, size, attempts_left - 1)


def _decode(data: bytes | FilmFrame, size: InputSize) -> npt.NDArray[np.uint8] | Rejection:
    """Decode in the separate process."""
    with time_limited() as decoder:
        pixels = np.empty((size.height, size.width, 3), np.uint8)
        return decoder(data, size, pixels) or pixels
