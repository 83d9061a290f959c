"""The Huffman code of a scan is read symbol by symbol, to tell whether it ends with the last block.

A decoder tells that bytes are left, but not whose: they may be strays, or blocks that damage has pushed out
of the picture. Two things tell them apart. Encoders fill the last byte with ones, and code that was pushed
out is still code: it ends with a block, at the last byte.

Knows pictures, scans and their parts; `jpeg_blocks` knows the code of a block. Knows no files and no decoder.
"""

from __future__ import annotations

import re

from flipbatch.frames.jpeg_blocks import AcBlocks, Bits, Blocks, Mcus, Tables
from flipbatch.frames.jpeg_segments import Component, Frame, Scan, mcus, split_at_restarts

MAX_CODE = 16 * 2**20
"""Longer code is not checked: this takes 5 s, and the frames of a video have a fiftieth."""

MAX_STRAYS = 2**20
"""More bytes behind a block are not checked: each block of an MCU may be the first of them."""


class UncheckedError(ValueError):
    """The code is of a kind, or of a length, that is not read: it may be whole."""


_STUFFED = re.compile(rb"\xff+\x00")


class CodeReader:
    """Reads the code of a picture, scan by scan.

    Parameters
    ----------
    frame
        The header of the picture.
    progressive
        Whether its scans are progressive.
    """

    def __init__(self, frame: Frame, progressive: bool) -> None:
        self._frame, self._progressive = frame, progressive
        self._nonzero: dict[Component, dict[int, int]] = {one: {} for one in frame.components}

    def without_strays(self, code: bytes, scan: Scan, tables: Tables, restart_every: int) -> bytes:
        """Return the code of a scan without the bytes that belong to no block.

        Parameters
        ----------
        code
            Between the header of the scan and the next marker that is no restart.
        scan, tables
            Header and Huffman tables, as `jpeg_segments` reads them.
        restart_every
            MCUs between two restart markers; 0 without such markers.

        Raises
        ------
        UncheckedError
            If the code is too long.
        ValueError
            If blocks are missing or damaged, restart markers are missing or out of order, or if the
            bytes that are left may be blocks.
        """
        if len(code) > MAX_CODE:
            msg = "too long to check"
            raise UncheckedError(msg)
        total = mcus(self._frame, scan)
        step = restart_every or max(1, total)
        parts, restarts = split_at_restarts(code)
        numbers = [range(total)[start : start + step] for start in range(0, total, step)]
        if len(parts) != len(numbers) or restarts != [number % 8 for number in range(len(restarts))]:
            msg = "restart markers are missing or out of order"
            raise ValueError(msg)
        blocks = self._blocks(scan, tables)
        kept = b"".join(
            bytes([0xFF, 0xD0 | (number - 1) % 8]) + _whole_part(part, blocks, numbers[number])
            for number, part in enumerate(parts)
        )
        return kept[2:]  # there is no restart before the first

    def _blocks(self, scan: Scan, tables: Tables) -> Blocks:
        """Return what reads the blocks of a scan."""
        if not self._progressive or scan.first == 0:
            return Mcus.of(scan, tables, dc_only=self._progressive)
        if len(scan.components) > 1:
            msg = "a scan of AC coefficients has several components"
            raise ValueError(msg)
        component = scan.components[0][0]
        return AcBlocks(scan, tables, self._nonzero[component])


def _whole_part(part: bytes, blocks: Blocks, numbers: range) -> bytes:
    """Return the code of these MCUs without what follows it."""
    plain = _STUFFED.sub(b"\xff", part.rstrip(b"\xff"))
    bits = Bits(plain)
    position = blocks.skip(bits, numbers)
    used = -(-position // 8)
    if not bits.are_ones(position, 8 * used):
        msg = "the code does not end with ones"
        raise ValueError(msg)
    if len(plain) - used > MAX_STRAYS or (len(plain) > used and blocks.follow(bits, position)):
        msg = "blocks are left"
        raise ValueError(msg)
    return plain[:used].replace(b"\xff", b"\xff\0")
