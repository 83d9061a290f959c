"""Decoding that survives a file which hangs the decoder, or ends its process.

Either the process gives itself a time limit, and ends where a decoder hangs; or, where one has ended
before, each file is decoded in a process of its own, and which file it was becomes known.

Knows decoding and processes; knows no files, URIs or shards.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from flipbatch.frames.decode import InputSize, Rejection, decode
from flipbatch.runtime.subprocess_worker import SubprocessDiedError, SubprocessWorker
from flipbatch.schema import Status

LONGEST_DECODE_SECONDS = 60.0
"""Of processor time. The largest picture that is taken, 100 million pixels, is decoded in a tenth of it."""

TRIES = 2
"""How often a file may end a process: what ended it once may have been something else."""

Decoder = Callable[[bytes, InputSize, npt.NDArray[np.uint8]], Rejection | None]
"""Fills the pixels, (height, width, 3) uint8, or says why not."""


def decode_inline(data: bytes, size: InputSize, out: npt.NDArray[np.uint8]) -> Rejection | None:
    """Decode in this process."""
    decoded = decode(data, size, out)
    return decoded if isinstance(decoded, Rejection) else None


@contextmanager
def time_limited() -> Iterator[Decoder]:
    """Decode in this process, which ends where one file takes `LONGEST_DECODE_SECONDS`.

    A decoder that hangs may never let Python run again: the kernel ends the process, by SIGPROF.
    """

    def limited(data: bytes, size: InputSize, out: npt.NDArray[np.uint8]) -> Rejection | None:
        signal.setitimer(signal.ITIMER_PROF, LONGEST_DECODE_SECONDS)
        return decode_inline(data, size, out)

    try:
        yield limited
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def isolated() -> Iterator[Decoder]:
    """Decode in another process; a file that ends it `TRIES` times is a rejection."""
    # It limits its own processor time; on a busy machine that takes longer.
    decode_there = SubprocessWorker(_decode, 5 * LONGEST_DECODE_SECONDS)

    def survived(data: bytes, size: InputSize, out: npt.NDArray[np.uint8]) -> Rejection | None:
        decoded = _try(decode_there, data, size, TRIES)
        if isinstance(decoded, Rejection):
            return decoded
        out[:] = decoded
        return None

    try:
        yield survived
    finally:
        decode_there.close()


def _try(
    decode_there: SubprocessWorker[npt.NDArray[np.uint8] | Rejection],
    data: bytes,
    size: InputSize,
    tries: int,
) -> npt.NDArray[np.uint8] | Rejection:
    try:
        return decode_there(data, size)
    except SubprocessDiedError as error:
        if tries == 1:
            # A process that was killed says little of the file: whoever reads it again may have more memory.
            status = Status.CORRUPT if error.by_own_fault else Status.UNREADABLE
            return Rejection(status, f"it can't be decoded: {error}, {TRIES} times")
        return _try(decode_there, data, size, tries - 1)


def _decode(data: bytes, size: InputSize) -> npt.NDArray[np.uint8] | Rejection:
    with time_limited() as decoder:
        pixels = np.empty((size.height, size.width, 3), np.uint8)
        return decoder(data, size, pixels) or pixels
