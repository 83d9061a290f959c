"""Facts about `flipbatch.frames.completeness`: missing pixels of a PNG or a TIFF are never invented."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from flipbatch.frames.completeness import require_png_rows, require_tiff_pieces
from flipbatch.frames.decode import InputSize, Rejection, decode

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
sizes = st.integers(1, 20)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(height, width, rows, interlaced=0):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def rows_of(pixels):
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def adam7(pixels):
    passes = [pixels[top::down, left::right] for left, top, right, down in ADAM7]
    return b"".join(rows_of(one) for one in passes if one.size)


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(sizes, sizes, st.booleans())
@settings(deadline=None)
def test_a_png_needs_the_last_byte_of_its_rows(height, width, interlaced):
    pixels = picture(height, width)
    rows = adam7(pixels) if interlaced else rows_of(pixels)
    require_png_rows(png(height, width, rows, int(interlaced)))
    require_png_rows(png(height, width, rows + b"more", int(interlaced)))
    with pytest.raises(ValueError, match="end early"):
        require_png_rows(png(height, width, rows[:-1], int(interlaced)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@given(sizes, sizes)
@settings(deadline=None, max_examples=20)
def test_pngs_of_pillow_are_complete(mode, height, width):
    sink = BytesIO()
    Image.new(mode, (width, height)).save(sink, "PNG")
    require_png_rows(sink.getvalue())


def test_an_interlaced_png_has_the_same_pixels_as_a_plain_one():
    pixels, size = picture(19, 13), InputSize(19, 13)
    one, other = decode(png(19, 13, rows_of(pixels)), size), decode(png(19, 13, adam7(pixels), 1), size)
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    assert np.array_equal(one, other)


def test_a_png_whose_pixels_end_with_a_row_is_corrupt():
    decoded = decode(png(64, 64, rows_of(picture(64, 64))[: 193 * 10]), InputSize(64, 64))
    assert isinstance(decoded, Rejection)
    assert decoded.error == "the PNG can't be decoded: its pixels end early"


def tiff(strips):
    """A raw TIFF of 64 x 64 pixels with the given number of strips of 32 rows."""
    data = picture(64, 64).tobytes()
    half, end = len(data) // 2, 8 + len(data)
    tags = [(256, 64), (257, 64), (258, 8), (259, 1), (262, 1), (277, 1), (278, 32)]
    places = [(273, 8), (279, half)]
    if strips == 2:
        places = [(273, end), (279, end + 8)]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    entries += [struct.pack("<HHII", tag, 4, strips, value) for tag, value in places]
    offsets = struct.pack("<IIII", 8, 8 + half, half, half)
    in_order = sorted(entries, key=lambda entry: int.from_bytes(entry[:2], "little"))
    directory = struct.pack("<H", len(entries)) + b"".join(in_order) + bytes(4)
    return b"II*\0" + struct.pack("<I", end + 16) + data + offsets + directory


def test_a_tiff_without_one_of_its_strips_is_corrupt():
    assert isinstance(decode(tiff(2), InputSize(64, 64)), np.ndarray)
    decoded = decode(tiff(1), InputSize(64, 64))
    assert isinstance(decoded, Rejection)
    assert decoded.error == "the TIFF can't be decoded: it has 1 of 2 pieces"


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"tiffinfo": {278: 7}}])
def test_tiffs_of_pillow_have_all_their_pieces(options):
    sink = BytesIO()
    Image.fromarray(picture(100, 50)).save(sink, "TIFF", **options)
    require_tiff_pieces(TiffImageFile(BytesIO(sink.getvalue())))
