"""Retries: a request that failed is sent again as long as that may help, and each retry is counted.

Knows which errors are transient. Does not know what is requested.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  (registers its own wait first: ours is called before it)
import errno
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from flipbatch.storage.s3_errors import SlowDownError
from flipbatch.storage.s3_errors import may_pass as s3_may_pass

RETRIED_FOR_SECONDS = 30.0
SLOWED_FOR_SECONDS = 600.0
"""A server that asks to slow down is alive: it is asked for longer than one that fails."""

FIRST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 5.0

Result = TypeVar("Result")

_TRANSIENT = (errno.EAGAIN, errno.EINTR, errno.ESTALE)

_ending = threading.Event()
# Python waits for the threads of pools before it calls what `atexit` registers.
# They must not go on with retries.
threading._register_atexit(_ending.set)  # pyright: ignore[reportAttributeAccessIssue]

_retries: deque[None] = deque()  # its length is the count: appending needs no lock


def with_retries(act: Callable[[], Result]) -> Result:
    """Call a function; call it again after transient errors, for up to `RETRIED_FOR_SECONDS`.

    While the storage asks to slow down, it is called for up to `SLOWED_FOR_SECONDS`. Both times start
    with the first such error, and a storage that asks to slow down has recovered from its other errors.
    Pauses are random, so that many readers that a server refused do not all retry at once. At the end of
    the process, nothing is retried.
    """
    failing_since = slowed_since = None
    longest = FIRST_PAUSE_SECONDS
    while True:
        try:
            return act()
        except Exception as error:
            now = time.monotonic()
            if isinstance(error, SlowDownError):
                failing_since, slowed_since = None, slowed_since or now
            else:
                failing_since = failing_since or now
            if now - (failing_since or slowed_since or now) >= _retried_for(error):
                raise
            if _ending.wait(random.uniform(longest / 3, longest)):
                raise
        _retries.append(None)
        longest = min(LONGEST_PAUSE_SECONDS, longest * 3)


def _retried_for(error: Exception) -> float:
    """Return for how many seconds a request is repeated."""
    if isinstance(error, SlowDownError):
        return SLOWED_FOR_SECONDS
    return RETRIED_FOR_SECONDS if _is_transient(error) else 0.0


def _is_transient(error: Exception) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)) or s3_may_pass(error):
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT


def take_retries() -> int:
    """Return how many retries this process made since the last call."""
    count = len(_retries)
    for _ in range(count):
        _retries.popleft()
    return count
