"""The layout of a JPEG: segments, the header of the picture, its tables and scans, as decoders read them.

Source: ITU-T T.81 (1992), annex B. Bytes that belong to no segment are skipped, as libjpeg skips them.

Knows where things are and what the headers say; decodes no pixels, repairs nothing, and knows no decoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

# Markers. Source: table B.1.
TEM, SOF0, SOF1, DHT, RST0, SOI, EOI, SOS = 0x01, 0xC0, 0xC1, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA
SOF2, DQT, DNL, DRI, APP0, APP1, APP14, COM = 0xC2, 0xDB, 0xDC, 0xDD, 0xE0, 0xE1, 0xEE, 0xFE
APPLICATION = frozenset({*range(APP0, 0xF0), COM})
FRAMES = frozenset(range(SOF0, 0xD0)) - {DHT, 0xC8, 0xCC}
"""Markers of the header of a picture: all of them but the two after which no pixels follow."""

RESTARTS = frozenset(range(RST0, SOI))
_WITHOUT_LENGTH = RESTARTS | {TEM, SOI, EOI}

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_NOT_CODE = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # zeros and restart markers belong to the code
_RESTART = re.compile(rb"\xff+([\xd0-\xd7])")


class Segment(NamedTuple):
    """A marker and what follows it up to the next."""

    marker: int
    payload: bytes
    start: int
    """The place of the marker, behind any fill bytes of 0xFF."""
    end: int
    """The first byte behind it; past the data where the segment is cut short."""
    before: int
    """Where the segment before ended: between it and the start, there are fill or stray bytes only."""


class Component(NamedTuple):
    """One colour of a picture; it has `across` x `down` blocks where others may have more or fewer."""

    name: int
    across: int
    down: int


class Frame(NamedTuple):
    """The header of a picture."""

    marker: int
    bits: int
    height: int
    width: int
    components: tuple[Component, ...]

    @property
    def across(self) -> int:
        """Blocks of the finest component in a row of an MCU."""
        return max(component.across for component in self.components)

    @property
    def down(self) -> int:
        """Blocks of the finest component in a column of an MCU."""
        return max(component.down for component in self.components)


class Scan(NamedTuple):
    """The header of a scan; the coefficients and bits have a meaning in a progressive picture only."""

    components: list[tuple[Component, int, int]]
    """With the numbers of their DC and AC tables."""
    first: int
    """Coefficient."""
    last: int
    refines: bool
    """Whether it adds a bit to coefficients that an earlier scan began."""


def segments(data: bytes, position: int = 2) -> Iterator[Segment]:
    """Yield the segments from a position to the first scan, or to the end of the picture.

    Parameters
    ----------
    data
        The whole file.
    position
        Behind a segment: the default is behind the first marker.
    """
    while found := _MARKER.search(data, position):
        start, marker = found.start(), data[found.end() - 1]
        end = body = found.end()
        if marker not in _WITHOUT_LENGTH:
            end += max(2, int.from_bytes(data[body : body + 2]))
            body += 2
        yield Segment(marker, data[body:end], start, end, position)
        if marker in {SOS, EOI} or end > len(data):
            return
        position = end


def strays(data: bytes, segment: Segment) -> bytes:
    """Return the bytes before a segment that belong to none; fill bytes are none of them."""
    return data[segment.before : segment.start].rstrip(b"\xff")


def end_of_code(data: bytes, position: int) -> int:
    """Return where the code of a scan ends: at the first marker that is no restart, or with the data."""
    found = _NOT_CODE.search(data, position)
    return found.start() if found else len(data)


def split_at_restarts(code: bytes) -> tuple[list[bytes], list[int]]:
    """Return the parts of a scan's code, and the numbers of the restart markers between them."""
    pieces = _RESTART.split(code)
    return pieces[::2], [marker[0] - RST0 for marker in pieces[1::2]]


def read_frame(segment: Segment) -> Frame:
    """Read the header of a picture.

    Raises
    ------
    ValueError
        If it is broken.
    """
    payload = segment.payload
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        msg = "the header of the picture has a wrong length"
        raise ValueError(msg)
    triples = [payload[at : at + 3] for at in range(6, len(payload), 3)]
    components = tuple(Component(name, factors >> 4, factors & 15) for name, factors, _ in triples)
    if any(not (1 <= one.across <= 4 and 1 <= one.down <= 4) for one in components):
        msg = "a sampling factor is not 1 to 4"
        raise ValueError(msg)
    height, width = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5])
    return Frame(segment.marker, payload[0], height, width, components)


def read_scan(segment: Segment, frame: Frame) -> Scan:
    """Read the header of a scan.

    Raises
    ------
    ValueError
        If it is broken, or names components that the picture lacks.
    """
    payload, named = segment.payload, {one.name: one for one in frame.components}
    count = payload[0] if payload else 0
    if not count or len(payload) != 4 + 2 * count or not set(payload[1 : 1 + 2 * count : 2]) <= set(named):
        msg = "the header of a scan is broken"
        raise ValueError(msg)
    pairs = [payload[at : at + 2] for at in range(1, 1 + 2 * count, 2)]
    components = [(named[name], tables >> 4, tables & 15) for name, tables in pairs]
    first, last, bits = payload[-3:]
    return Scan(components, first, last, bits >> 4 > 0)


def mcus(frame: Frame, scan: Scan) -> int:
    """Return how many MCUs a scan has; a scan of one component has an MCU for each of its blocks."""
    if len(scan.components) > 1:
        return ceil(frame.width / (8 * frame.across)) * ceil(frame.height / (8 * frame.down))
    component = scan.components[0][0]
    across = ceil(frame.width * component.across / (8 * frame.across))
    return across * ceil(frame.height * component.down / (8 * frame.down))


def read_huffman_tables(payload: bytes) -> dict[int, tuple[bytes, bytes]]:
    """Return the tables of a segment: how many codes have 1 to 16 bits, and their symbols in order.

    The key is the number of the table, plus 16 where it is for AC symbols. What is cut short is left out.
    """
    found, position = {}, 0
    while position + 17 <= len(payload):
        counts = payload[position + 1 : position + 17]
        end = position + 17 + sum(counts)
        if end <= len(payload):
            found[payload[position]] = (counts, payload[position + 17 : end])
        position = end
    return found
