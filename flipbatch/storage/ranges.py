"""A remote file as a seekable file, of which only the requested byte ranges are fetched.

Knows a size and a function that fetches a range. Does not know storage or file formats.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

LARGEST_GAP = 256 * 2**10
"""Ranges at most so many bytes apart are fetched by one request, which costs less than two."""


class RangeFile(io.RawIOBase):
    """A read-only file; every read is one request, unless `hold` fetched its bytes before.

    Parameters
    ----------
    size : int
        Bytes of the whole file.
    fetch : callable
        Returns the bytes from a start to an end (exclusive). Its errors are raised by the read.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._fetch_range, self._position = size, fetch, 0
        self._held: list[tuple[int, bytes]] = []
        self._explain: Callable[[], AbstractContextManager[None]] = nullcontext

    def explain_errors(self, explain: Callable[[], AbstractContextManager[None]]) -> None:
        """Run every later request in the context `explain()`, which may replace its errors."""
        self._explain = explain

    def _fetch(self, start: int, end: int) -> bytes:
        with self._explain():
            return self._fetch_range(start, end)

    def hold(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch ranges of bytes by few requests, and keep them until the next call."""
        self._held = []
        self._held = [(start, self._fetch(start, end)) for start, end in merged(ranges)]

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, or all that follow."""
        rest = max(0, self._size - self._position)
        start = self._position
        self._position += rest if size is None or size < 0 else min(size, rest)
        return self._bytes(start, self._position) if self._position > start else b""

    def _bytes(self, start: int, end: int) -> bytes:
        for first, data in self._held:
            if first <= start and end <= first + len(data):
                return data[start - first : end - first]
        return self._fetch(start, end)

    def readall(self) -> bytes:
        """Return all bytes that follow."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes, and return their number."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted ranges (start, end); those at most `LARGEST_GAP` bytes apart become one."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if result and start - result[-1][1] <= LARGEST_GAP:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result
