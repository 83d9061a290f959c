"""A JPEG becomes pixels at the smallest scale that covers the input, and is rejected at any sign of damage.

Knows the layout of JPEG files, and simplejpeg, which decodes them; knows no other format.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice

import numpy as np
import simplejpeg

from flipbatch.frames.fitting import ORIENTATION_TAG, UPRIGHT, InputSize, known_orientation, place, plan_fit
from flipbatch.frames.rejection import RejectedError, check_pixels, decoder_errors
from flipbatch.schema import Status

MAX_SCANS = 500
"""A JPEG of more scans could take hours to decode: cameras and encoders make about ten."""

MAX_SEGMENTS = 1000
"""No real JPEG has more segments before its pixels: the largest colour profile, 16 MB, takes 255."""

# Markers. Source: ITU-T T.81 (1992), table B.1.
_SOF0, _SOF1, _DHT, _SOS, _APP1, _END = 0xC0, 0xC1, 0xC4, 0xDA, 0xE1, b"\xff\xd9"
_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_APPLICATION = {*range(0xE0, 0xF0), 0xFE}
_FILL = re.compile(rb"\xff+")
_SCAN = b"\xff\xda"

_SECTOR = 512  # bytes of a disk's sector: the smallest gap in a file


def decode_jpeg(canvas: np.ndarray, data: bytes, size: InputSize) -> None:
    """Decode any JPEG strictly, CMYK included; straight into the canvas where the scale gives its size.

    There is no second decoder: of the files that simplejpeg refuses, Pillow reads damaged ones only. The
    fast options are off: they change neither pixels nor time at 1/8, and add 0.3 grey levels of error at 1/2.

    Parameters
    ----------
    canvas
        Filled in place: uint8, C-contiguous, (size.height, size.width, 3).
    data
        The whole file.
    size
        Height and width of the canvas.

    Raises
    ------
    RejectedError
    """
    height, width = _read_size(data)
    check_pixels(height, width)
    _check_effort(data)
    plan = plan_fit(height, width, _orientation(data), size)
    direct = plan.fills(size)
    pixels = _decode_scaled(data, plan.scaled, canvas if direct else None)
    if _has_hole(data):
        raise RejectedError(Status.CORRUPT, "the JPEG has a block of zero bytes inside its image data")
    if not direct:
        place(canvas, pixels, plan)


def _decode_scaled(data: bytes, scaled: InputSize, buffer: np.ndarray | None) -> np.ndarray:
    """Decode at the scale that gives `scaled`, into `buffer` if there is one."""
    least = {"min_height": scaled.height, "min_width": scaled.width}
    with decoder_errors("JPEG"):
        return simplejpeg.decode_jpeg(data, "RGB", **least, buffer=buffer, strict=True)


# ---------------------------------------------------------------------------------------- header


def _read_size(data: bytes) -> tuple[int, int]:
    """Return the height and width of the stored picture."""
    try:
        with decoder_errors("JPEG"):
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    except RejectedError as error:
        if "subsampling" not in error.rejection.error:  # the decoder says this of any unusable header
            raise
        if _has_whole_header(data):
            raise RejectedError(Status.UNSUPPORTED, "a JPEG of unusual chroma subsampling") from error
        raise RejectedError(Status.CORRUPT, "the JPEG's header is broken or cut short") from error
    return int(height), int(width)


def _has_whole_header(data: bytes) -> bool:
    """Return whether the header goes all the way to the pixels."""
    return any(marker == _SOS and end < len(data) for marker, _, end in _segments(data))


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (marker, payload, end) of the header's segments; the end of a truncated one is past the data."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position = _after_fill(data, position) - 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        yield marker, data[position + 4 : end], end
        if marker == _SOS:
            return
        position = max(end, position + 2)


def _after_fill(data: bytes, position: int) -> int:
    """Return where bytes of 0xFF end; any number of them may stand before a marker."""
    fill = _FILL.match(data, position)
    return fill.end() if fill else position


def _check_effort(data: bytes) -> None:
    """Reject files that no camera makes, and whose few bytes would take minutes to decode."""
    segments = list(islice(_segments(data), MAX_SEGMENTS + 1))
    if len(segments) > MAX_SEGMENTS:
        raise RejectedError(Status.UNSUPPORTED, f"a JPEG of more than {MAX_SEGMENTS} segments")
    # An arithmetic decoder never runs out of data: it decodes a file without pixels, too.
    if any(marker in _ARITHMETIC for marker, _, _ in segments):
        raise RejectedError(Status.UNSUPPORTED, "an arithmetic-coded JPEG")
    # Counting the scans of every file would cost a tenth of decoding: most files have one, of all components.
    if not _is_one_scan(segments) and data.count(_SCAN) > MAX_SCANS:
        raise RejectedError(Status.UNSUPPORTED, f"a JPEG of more than {MAX_SCANS} scans")


def _is_one_scan(segments: list[tuple[int, bytes, int]]) -> bool:
    components = next((payload[5:6] for marker, payload, _ in segments if marker in {_SOF0, _SOF1}), None)
    return components is not None and segments[-1][1][:1] == components


# ---------------------------------------------------------------------------------------- damage


def _has_hole(data: bytes) -> bool:
    """Return whether zeros replace a sector or more of a baseline JPEG's pixels.

    Zeros are valid code. By chance they can give as many blocks as they replaced, and then a strict decoder
    accepts them: one 4 KiB hole of a hundred and one 512-byte hole of twelve in 1080x1920 frames.
    """
    if bytes(_SECTOR // 128) not in data[::128]:  # a fast test that finds every hole, and some others
        return False
    first_symbols: dict[int, int] = {}
    components = 0
    for marker, payload, end in _segments(data):
        if marker == _DHT:
            first_symbols |= _first_symbols(payload)
        elif marker in {_SOF0, _SOF1}:
            components = payload[5]
        elif marker == _SOS and payload[0] == components:
            tables = {0x10 | selector & 0x0F for selector in payload[2 : 2 + 2 * components : 2]}
            flat = all(first_symbols.get(table, 0) == 0 for table in tables)
            return not flat and data.find(bytes(_SECTOR), end, data.find(_END, end)) >= 0
    return False


def _first_symbols(tables: bytes) -> dict[int, int]:
    """Return the symbol that zero bits stand for in each Huffman table.

    Symbol 0 means "no more detail in this block". Where it is the first of all tables of a picture, zeros may
    be a blank area.
    """
    found, position = {}, 0
    while position + 17 < len(tables):
        found[tables[position]] = tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])
    return found


# ---------------------------------------------------------------------------------------- orientation


def _orientation(data: bytes) -> int:
    """Return the Exif orientation; Exif must be among the application segments, before the tables."""
    for marker, payload, _ in _segments(data):
        if marker not in _APPLICATION:
            break
        if marker == _APP1 and payload.startswith(b"Exif\0\0"):
            return _exif_orientation(payload[6:])
    return UPRIGHT


def _exif_orientation(exif: bytes) -> int:
    """Return the orientation in a TIFF structure; `UPRIGHT` where it has none or is damaged."""
    order = ">" if exif.startswith(b"MM") else "<"
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, value = struct.unpack_from(order + "H6xH", exif, entry)
            if tag == ORIENTATION_TAG:
                return known_orientation(value)
    except struct.error:
        pass
    return UPRIGHT
