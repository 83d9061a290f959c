"""A JPEG is written anew without what moves no pixel, so that a strict decoder can judge the rest.

Left out are application segments, comments and stray bytes; fields that decoders correct have the value that
they take instead. What is left is copied, damage included.

Knows which parts of a JPEG move pixels; decodes nothing, and does not know what a decoder complains about.
"""

from __future__ import annotations

import re

from flipbatch.frames import jpeg_segments as layout
from flipbatch.frames.jpeg_code import CodeReader, Tables, UncheckedError
from flipbatch.frames.jpeg_segments import Frame, Segment

_START = b"\xff\xd8"
_SEQUENTIAL = {layout.SOF0, layout.SOF1}
_ALL_COEFFICIENTS = bytes([0, 63, 0])  # how a scan of a sequential picture ends its header
_JFIF, _JFIF_LENGTH, _JFIF_VERSION = b"JFIF\0", 14, b"\1\1"
_ADOBE, _ADOBE_LENGTH, _ADOBE_TRANSFORM_AT = b"Adobe", 12, 11
# By the number of components: the colour transforms that Adobe defines, and what decoders take any other for.
_TRANSFORMS = {3: ({0, 1}, 1), 4: ({0, 2}, 2)}
_WITHOUT_PIXELS = layout.APPLICATION | layout.RESTARTS | {layout.TEM, layout.DNL}
_FRAME = re.compile(rb"\xff[\xc0-\xc2]\0[\x0b\x11\x14]\x08")  # of 1, 3 or 4 components of 8 bits


def plain_jpeg(data: bytes, check_code: bool = False) -> bytes:
    """Return a JPEG without what moves no pixel.

    Parameters
    ----------
    data
        The whole file.
    check_code
        Read the code of each scan, a second for 2 MB, and leave out the bytes that follow its last block or
        the last block before a restart marker.

    Raises
    ------
    ValueError
        If segments are damaged, where there is no end, or if `check_code` finds blocks missing,
        damaged or left.
    """
    return _Writer(data, check_code).copy()


class _Writer:
    """Copies a JPEG segment by segment."""

    def __init__(self, data: bytes, check_code: bool) -> None:
        self._pieces = [_START]
        self._data, self._check_code = data, check_code
        self._frame: Frame | None = None
        self._reader: CodeReader | None = None
        self._tables: Tables = {}
        self._restart_every, self._scans, self._has_strays = 0, 0, False
        self._transform: int | None = None

    def copy(self) -> bytes:
        """Return the copy of all segments."""
        position, marker = 2, layout.SOI
        while marker != layout.EOI:
            before = position
            for segment in layout.segments(self._data, position):
                self._check(segment, marker)
                position, marker = self._add(segment), segment.marker
            if marker != layout.EOI and (marker != layout.SOS or position == before):
                msg = "it has no end"
                raise ValueError(msg)
        if self._has_strays:
            self._check_rest(position)
        return b"".join(self._pieces)

    def _check(self, segment: Segment, previous: int) -> None:
        """Refuse a segment that is cut short, and stray bytes that may be one whose marker is damaged."""
        if segment.end > len(self._data):
            msg = "a segment is cut short"
            raise ValueError(msg)
        found = layout.strays(self._data, segment)
        self._has_strays |= bool(found)
        end = segment.before + 2 + int.from_bytes(found[2:4])
        like_segment = len(found) >= 4 and self._data[end : end + 1] == b"\xff"
        if found and (like_segment or previous in layout.RESTARTS | {layout.TEM}):
            msg = "a marker is damaged"
            raise ValueError(msg)

    def _check_rest(self, position: int) -> None:
        """Refuse a second picture that has no start: the first may be a thumbnail in a damaged segment."""
        second = _FRAME.search(self._data, position)
        if second and self._data.find(_START, position, second.start()) < 0:
            msg = "another picture without a start follows"
            raise ValueError(msg)

    def _add(self, segment: Segment) -> int:
        """Copy a segment, changed or not or not at all, and return where it ends."""
        if segment.marker == layout.SOS:
            return self._add_scan(segment)
        if segment.marker in layout.FRAMES:
            self._add_frame(segment)
        elif segment.marker in {layout.APP0, layout.APP14}:
            self._add_colours(segment)
        elif not self._moves_no_pixel(segment):
            self._read_tables(segment)
            self._pieces.append(self._data[segment.start : segment.end])
        return segment.end

    def _moves_no_pixel(self, segment: Segment) -> bool:
        repeated_start = segment.marker == layout.SOI and len(self._pieces) == 1 and not self._has_strays
        return segment.marker in _WITHOUT_PIXELS or repeated_start

    def _add_colours(self, segment: Segment) -> None:
        """Copy what says how colours are stored; behind the first scan's header, decoders don't read it."""
        if self._scans:
            return
        payload = segment.payload
        if payload.startswith(_JFIF) and len(payload) >= _JFIF_LENGTH:
            payload = _JFIF + _JFIF_VERSION + payload[7:12] + bytes(2)  # no thumbnail
            self._pieces.append(_segment(layout.APP0, payload))
        elif payload.startswith(_ADOBE) and len(payload) >= _ADOBE_LENGTH:
            self._transform = payload[_ADOBE_TRANSFORM_AT]

    def _add_frame(self, segment: Segment) -> None:
        self._frame = layout.read_frame(segment)
        payload = segment.payload
        if self._frame.height == 0:
            height = self._height_behind_scan(segment.end)
            self._frame = self._frame._replace(height=height)
            payload = payload[:1] + height.to_bytes(2) + payload[3:]
        self._pieces.append(_segment(segment.marker, payload))

    def _height_behind_scan(self, position: int) -> int:
        """Return the height that a segment behind the first scan gives, or 0."""
        *_, last = layout.segments(self._data, position)
        if last.marker != layout.SOS:
            return 0
        behind = next(layout.segments(self._data, layout.end_of_code(self._data, last.end)), last)
        return int.from_bytes(behind.payload) if behind.marker == layout.DNL else 0

    def _read_tables(self, segment: Segment) -> None:
        if segment.marker == layout.DHT:
            self._tables |= layout.read_huffman_tables(segment.payload)
        elif segment.marker == layout.DRI:
            self._restart_every = int.from_bytes(segment.payload)

    def _add_scan(self, segment: Segment) -> int:
        if self._frame is None:
            msg = "there is no header of the picture"
            raise ValueError(msg)
        if not self._scans and self._transform is not None:
            self._pieces.append(_segment(layout.APP14, self._adobe(len(self._frame.components))))
        self._scans += 1
        payload = segment.payload
        if self._frame.marker in _SEQUENTIAL and payload and len(payload) == 4 + 2 * payload[0]:
            payload = payload[:-3] + _ALL_COEFFICIENTS
        end = layout.end_of_code(self._data, segment.end)
        code = self._data[segment.end : end]
        if self._check_code:
            code = self._whole_code(segment, code, self._frame)
        self._pieces += [_segment(layout.SOS, payload), code]
        return end

    def _adobe(self, components: int) -> bytes:
        transform = self._transform or 0
        known, assumed = _TRANSFORMS.get(components, ({transform}, transform))
        return _ADOBE + bytes([0, 100, 0, 0, 0, 0, transform if transform in known else assumed])

    def _whole_code(self, segment: Segment, code: bytes, frame: Frame) -> bytes:
        if frame.marker not in _SEQUENTIAL | {layout.SOF2} or frame.bits != 8:
            msg = "its code can't be checked"
            raise UncheckedError(msg)
        self._reader = self._reader or CodeReader(frame, frame.marker == layout.SOF2)
        scan = layout.read_scan(segment, frame)
        return self._reader.without_strays(code, scan, self._tables, self._restart_every)


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload
