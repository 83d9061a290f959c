"""How many reads of objects a process has in flight: fewer after the storage asked to slow down.

Additive increase and multiplicative decrease, as TCP does it (RFC 5681). S3 answers SlowDown where a
prefix gets more than some thousands of requests a second, from all machines together. If each process
halves its requests, they soon come to a rate that the storage serves, and raise it again until it asks
once more.

Knows times and counts. Does not know what is requested.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flipbatch.storage.s3_errors import SlowDownError


class RequestLimit:
    """A number of requests that may be in flight.

    Parameters
    ----------
    most : int
        Where it starts; it never exceeds this.
    halved_every_seconds : float
        Requests that are in flight when the storage is overloaded are refused together: they count once.
    """

    def __init__(self, most: int, halved_every_seconds: float = 1.0) -> None:
        self._most, self._limit, self._in_flight = most, float(most), 0
        self._halved_every, self._halved = halved_every_seconds, float("-inf")
        self._changed = threading.Condition()

    @property
    def allowed(self) -> int:
        """How many requests may be in flight now, at least 1."""
        return max(1, int(self._limit))

    @contextmanager
    def request(self) -> Iterator[None]:
        """Wait until one more request may be sent; the block sends it."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self.allowed)
            self._in_flight += 1
        try:
            yield
        except SlowDownError:
            self._halve()
            raise
        else:
            # One more request in flight after as many answers as there are requests in flight.
            with self._changed:
                self._limit = min(self._most, self._limit + 1 / self._limit)
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def _halve(self) -> None:
        with self._changed:
            if time.monotonic() - self._halved >= self._halved_every:
                self._halved, self._limit = time.monotonic(), max(1.0, self._limit / 2)
