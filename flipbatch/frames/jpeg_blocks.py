"""The Huffman code of the blocks of a JPEG, sequential or progressive, is read to see where each ends.

Source: ITU-T T.81 (1992), annexes F.2.2 and G.2.

Knows the code of blocks; makes no pixels, and knows no markers, files or decoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from flipbatch.frames.jpeg_segments import Scan

Tables = dict[int, tuple[bytes, bytes]]
"""Huffman tables, as `jpeg_segments` reads them."""

_WINDOW = 16  # bits: the longest code
_BLOCK = 64  # coefficients
_END, _BAD = 128, 1024  # are added to the count of coefficients at the end of a block, and at no code
_MANY = 3  # symbols that one look at the window reads after the first, where they fit
_PADDING = 8192  # bytes behind the code: the longest block is shorter
_ALL_AC = _BLOCK - 1 << 5  # in an entry: the rest of the block is not in the scan
_AFTER = -1  # the number of a block that is behind the picture


class Bits:
    """Code of which the next 16 bits can be seen at any bit.

    Parameters
    ----------
    code
        Without markers and stuffed zeros.
    """

    def __init__(self, code: bytes) -> None:
        self.length = 8 * len(code)
        padded = np.frombuffer(code + bytes(_PADDING), np.uint8).astype(np.uint32)
        self.at_bytes = (padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]).data

    def read(self, position: int, count: int) -> int:
        """Return the number that up to 16 bits are."""
        return (self.at_bytes[position >> 3] >> 8 - (position & 7) & 0xFFFF) >> _WINDOW - count

    def are_ones(self, start: int, end: int) -> bool:
        """Return whether fewer than 8 bits are all ones."""
        return self.read(start, end - start) == (1 << end - start) - 1

    def may_end_at(self, position: int) -> bool:
        """Return whether the code may end here: encoders fill the last byte with ones."""
        return self.length - position < 8 and self.are_ones(position, self.length)

    def check(self, position: int, is_right: bool = True) -> None:
        """Refuse blocks that are not right, or go on behind the code."""
        if position > self.length or not is_right:
            msg = "blocks are missing or damaged"
            raise ValueError(msg)


class Blocks(Protocol):
    """Reads the blocks of a scan; raises ValueError where there are none."""

    def skip(self, bits: Bits, numbers: range) -> int:
        """Return the bit behind the MCUs of these numbers, of which the first begins at bit 0."""
        ...

    def follow(self, bits: Bits, position: int) -> bool:
        """Return whether more of them fill the rest of the code."""
        ...


# ---------------------------------------------------------------------------------------- whole blocks


@dataclass(frozen=True)
class _Block:
    """The tables of one block of an MCU.

    An entry is for the next 16 bits: how many bits to go on, plus 32 for each coefficient.
    """

    dc: list[int]
    ac: list[int]
    several_ac: list[int]

    def skip(self, bits: Bits, position: int) -> int:
        """Return the bit behind a block that begins at a bit."""
        at_bytes, several = bits.at_bytes, self.several_ac
        entry = self.dc[at_bytes[position >> 3] >> 8 - (position & 7) & 0xFFFF]
        position += entry & 31
        known = 1 + (entry >> 5)
        while known < _BLOCK:
            window = at_bytes[position >> 3] >> 8 - (position & 7) & 0xFFFF
            entry = several[window]
            after = known + (entry >> 5)
            if after > _BLOCK and not _END < after < _END + _BLOCK:
                entry = self.ac[window]
                after = known + (entry >> 5)
            position += entry & 31
            known = after
        bits.check(position, known == _BLOCK or _END < known < _END + _BLOCK)
        return position


@dataclass(frozen=True)
class Mcus:
    """Reads blocks of which a scan has all coefficients, or the first; they may be of several components."""

    blocks: list[_Block]

    @classmethod
    def of(cls, scan: Scan, tables: Tables, dc_only: bool) -> Mcus:
        """Return the reader of a scan; ValueError where it has no tables."""
        interleaved, blocks = len(scan.components) > 1, []
        for component, dc, ac in scan.components:
            count = component.across * component.down if interleaved else 1
            if dc_only:
                block = _one_bit() if scan.refines else _dc_block(_table(tables, dc))
            else:
                block = _block(_table(tables, dc), _table(tables, 16 | ac))
            blocks += [block] * count
        return cls(blocks)

    def skip(self, bits: Bits, numbers: range) -> int:
        """Return the bit behind the MCUs of these numbers."""
        position = 0
        for _ in numbers:
            for block in self.blocks:
                position = block.skip(bits, position)
        return position

    def follow(self, bits: Bits, position: int) -> bool:
        """Return whether more fill the rest; damage loses or adds blocks, so the first is any of an MCU.

        Where each block is one bit, no damage changes the length.
        """
        return self.blocks[0] is not _one_bit() and any(
            self._follow(bits, position, first) for first in range(len(self.blocks))
        )

    def _follow(self, bits: Bits, position: int, number: int) -> bool:
        try:
            while True:
                position = self.blocks[number % len(self.blocks)].skip(bits, position)
                number += 1
                if bits.may_end_at(position):
                    return True
        except ValueError:
            return False


# ---------------------------------------------------------------------------------------- AC coefficients


class AcBlocks:
    """Reads some AC coefficients of one component, or one more bit of each.

    Parameters
    ----------
    scan, tables
        Its header, and the tables.
    nonzero
        For each block, the bits of the coefficients that are not zero; the scan adds its own.
    """

    def __init__(self, scan: Scan, tables: Tables, nonzero: dict[int, int]) -> None:
        ac = scan.components[0][2]
        self._codes = _ac_codes(_table(tables, 16 | ac))
        self._first, self._last = scan.first, min(scan.last, _BLOCK - 1)
        self._skip = self._skip_refined if scan.refines else self._skip_first
        self._nonzero = nonzero

    def skip(self, bits: Bits, numbers: range) -> int:
        """Return the bit behind the blocks of these numbers."""
        position = empty = 0
        for number in numbers:
            position, empty = self._skip(bits, position, empty, number)
            bits.check(position)
        bits.check(position, not empty)
        return position

    def follow(self, bits: Bits, position: int) -> bool:
        """Return whether more fill the rest."""
        empty = 0
        try:
            while True:
                self._nonzero.pop(_AFTER, None)
                position, empty = self._skip(bits, position, empty, _AFTER)
                bits.check(position)
                if bits.may_end_at(position):
                    return True
        except ValueError:
            return False

    def _symbol(self, bits: Bits, position: int) -> tuple[int, int, int]:
        """Return the bit behind a code, and what it says: a number of zeros, and the bits of a value."""
        entry = self._codes[bits.at_bytes[position >> 3] >> 8 - (position & 7) & 0xFFFF]
        if not entry:
            bits.check(position, is_right=False)
        return position + (entry & 31), entry >> 9, entry >> 5 & 15

    def _skip_first(self, bits: Bits, position: int, empty: int, number: int) -> tuple[int, int]:
        """Return the bit behind a block, and how many empty blocks follow without code."""
        if empty:
            return position, empty - 1
        at, nonzero = self._first, 0
        while at <= self._last:
            position, zeros, size = self._symbol(bits, position)
            if not size and zeros < 15:
                empty = (1 << zeros) + bits.read(position, zeros) - 1
                position += zeros
                break
            at += zeros
            bits.check(position, at <= self._last)
            nonzero |= (size > 0) << at
            position += size
            at += 1
        self._nonzero[number] = self._nonzero.get(number, 0) | nonzero
        return position, empty

    def _skip_refined(self, bits: Bits, position: int, empty: int, number: int) -> tuple[int, int]:
        """Return the same; each value that is not zero has a bit, and new values have a code, too."""
        at, before = self._first, self._nonzero.get(number, 0)
        nonzero = before
        while at <= self._last and not empty:
            position, zeros, size = self._symbol(bits, position)
            if not size and zeros < 15:
                empty = (1 << zeros) + bits.read(position, zeros)
                position += zeros
                break
            position += size
            while before >> at & 1 or zeros:
                position += before >> at & 1
                zeros -= 1 - (before >> at & 1)
                at += 1
            bits.check(position, at <= self._last and size <= 1)
            nonzero |= size << at
            at += 1
        if empty:
            position += (before >> at & (1 << self._last + 1 - at) - 1).bit_count()
            empty -= 1
        self._nonzero[number] = nonzero
        return position, empty


# ---------------------------------------------------------------------------------------- tables


def _table(tables: Tables, number: int) -> tuple[bytes, bytes]:
    if number not in tables:
        msg = "a Huffman table is missing"
        raise ValueError(msg)
    return tables[number]


@lru_cache(8)  # 2 MB each; encoders have few, and making one takes 4 ms
def _block(dc: tuple[bytes, bytes], ac: tuple[bytes, bytes]) -> _Block:
    lengths, symbols = _codes(*ac)
    sizes, zeros = symbols & 15, symbols >> 4
    counts = np.select([sizes > 0, symbols == 0, zeros == 15], [zeros + 1, _END, 16], _BAD)
    counts[lengths == 0] = _BAD
    bits = lengths + sizes
    several_bits, several_counts = _join(bits, counts)
    several = several_bits | several_counts << 5
    return _Block(_dc(dc).tolist(), (bits | counts << 5).tolist(), several.tolist())


@lru_cache(1)
def _one_bit() -> _Block:
    return _Block([1 + _ALL_AC] * (1 << _WINDOW), [], [])


@lru_cache(8)
def _dc_block(dc: tuple[bytes, bytes]) -> _Block:
    return _Block((_dc(dc) + _ALL_AC).tolist(), [], [])


@lru_cache(8)
def _ac_codes(table: tuple[bytes, bytes]) -> list[int]:
    """Return, for each 16 bits, the length of a code, plus 32 times its symbol; 0 for none."""
    lengths, symbols = _codes(*table)
    return (lengths | symbols << 5).tolist()


def _dc(table: tuple[bytes, bytes]) -> npt.NDArray[np.int64]:
    lengths, sizes = _codes(*table)
    return np.where((lengths == 0) | (sizes > 15), _BAD << 5, lengths + sizes)


def _codes(counts: bytes, symbols: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, for each 16 bits, the length of the code that they begin with, 0 for none, and its symbol."""
    lengths, found = np.zeros((2, 1 << _WINDOW), np.int64)
    start = index = 0
    for length, count in enumerate(counts, 1):
        for symbol in symbols[index : index + count]:
            end = start + (1 << _WINDOW - length)
            lengths[start:end], found[start:end] = length, symbol
            start = end
        index += count
    return lengths, found


def _join(
    bits: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the same for as many symbols as the 16 bits hold whole, up to the end of a block."""
    windows = np.arange(1 << _WINDOW)
    all_bits, all_counts = bits.copy(), counts.copy()
    for _ in range(_MANY):
        rest = windows << all_bits & 0xFFFF
        fits = (all_counts < _BLOCK) & (all_bits + bits[rest] <= _WINDOW) & (counts[rest] < _BAD)
        all_bits += np.where(fits, bits[rest], 0)
        all_counts += np.where(fits, counts[rest], 0)
    return all_bits, all_counts
