"""Progress of a run: a bar on a terminal, a line every 10 s in a job's log.

Knows counts and a clock. Does not know Ray or files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from flipbatch.runtime.standard_streams import unstoppable
from flipbatch.runtime.wording import counted, numbered

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts frames.

    Parameters
    ----------
    total : int
        Frames of the run, those scored before included.
    done : int
        Frames scored before. They do not count towards the rate.
    stream : file, optional
        Standard error by default.
    clock : callable
        Returns seconds; tests set it.
    verb : str
        What is done to frames.
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        verb: str = "scored",
    ) -> None:
        self._verb = verb
        self._total, self._before, self._done = total, done, done
        self._errors = self._retries = 0
        self._stream = unstoppable(stream or sys.stderr)
        self._clock = clock
        self._started = self._last_line = clock()
        self._bar = self._terminal_bar() if self._stream.isatty() else None

    def _terminal_bar(self) -> tqdm[Any]:
        return tqdm(
            total=self._total,
            initial=self._before,
            unit="frame",
            desc=self._verb,
            file=self._stream,
            dynamic_ncols=True,
        )

    def add(self, frames: int, errors: int, retries: int = 0) -> None:
        """Count committed frames, those of them without a probability, and storage retries."""
        self._done += frames
        self._errors += errors
        self._retries += retries
        if self._bar is not None:
            self._bar.set_postfix(errors=self._errors, refresh=False)
            self._bar.update(frames)
        elif self._clock() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._write_line()

    def close(self) -> None:
        """Write the last line, or end the bar."""
        if self._bar is not None:
            self._bar.close()
        else:
            self._write_line()

    def _write_line(self) -> None:
        self._last_line = self._clock()
        print(self.line(), file=self._stream, flush=True)

    def line(self) -> str:
        """Return one line: frames done and in all, rate, time left, errors, storage retries."""
        # The number of frames done before a resume is an estimate.
        left = max(0, self._total - self._done)
        rate = (self._done - self._before) / max(1e-9, self._clock() - self._started)
        eta = f"{_duration(left / rate)} left" if rate and left else "done" if not left else "no rate yet"
        counts = f"{self._verb} {self._done:,} of {counted(self._total, 'frame')}"
        retries = f", {numbered('{count} storage {retry|retries}', self._retries)}" if self._retries else ""
        return f"{counts}, {rate:,.0f} frames/s, {eta}, {counted(self._errors, 'error')}{retries}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )
