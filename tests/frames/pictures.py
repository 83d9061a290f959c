"""Pictures and files that the tests of decoding share. Every image is made here, in memory."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from flipbatch.frames.decode import MAX_ERROR_LENGTH, InputSize, Rejection, decode

INPUT = InputSize(240, 135)


SMALL = InputSize(60, 40)


EOI = b"\xff\xd9"


@lru_cache
def scene(height: int, width: int) -> np.ndarray:
    """A page-like picture: light falling off, lines of letters, a coloured object, some grain."""
    rows, columns = np.mgrid[0:height, 0:width]
    light = 230 - 90 * rows / height - 50 * (columns / width) ** 2
    image = Image.fromarray(np.stack([light, light * 0.95, light * 0.85], axis=2).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    step = max(6, height // 60)
    for top in range(step, height - step, 2 * step):
        draw.text((width // 10, top), "pages turn, frames tell " * 9, fill=(40, 40, 50), font_size=step)
    draw.ellipse((width // 2, height // 2, width * 0.9, height * 0.8), fill=(190, 120, 100))
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def encode(image: Image.Image | np.ndarray, kind: str = "JPEG", **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 90} if kind == "JPEG" else {}) | options)
    return file.getvalue()


def pixels(data: bytes, size: InputSize = INPUT) -> np.ndarray:
    result = decode(data, size)
    assert isinstance(result, np.ndarray), result
    assert result.shape == (size.height, size.width, 3)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    return result


def rejection(data: bytes, size: InputSize = INPUT) -> Rejection:
    result = decode(data, size)
    assert isinstance(result, Rejection)
    assert result.error.isprintable()
    assert 0 < len(result.error) <= MAX_ERROR_LENGTH
    return result


def area_average(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The careful and slow way: every pixel decoded, areas averaged."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference, in grey levels."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def full(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def exif(orientation: int, order: str = "<") -> bytes:
    description = Image.Exif()
    description[0x0112] = orientation
    description.endian = order
    return description.tobytes()


def png(height: int, width: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png16(values: np.ndarray) -> bytes:
    """uint16, (height, width) or (height, width, 3)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[0], values.shape[1], 16, 0 if values.ndim == 2 else 2, rows)


def smooth() -> np.ndarray:
    """Colours without fine structure, so that any way of scaling agrees; (120, 80, 3)."""
    rows, columns = np.mgrid[0:120, 0:80]
    return np.stack([rows * 2, columns * 3, 240 - rows], axis=2).astype(np.uint8)


def grey() -> Image.Image:
    return Image.fromarray(smooth()).convert("L")


COLOUR = Image.fromarray(smooth())


FRAME = encode(scene(640, 360))


OTHERS = {
    "PNG": encode(scene(120, 80), "PNG"),
    "WebP": encode(scene(120, 80), "WEBP"),
    "lossless WebP": encode(scene(120, 80), "WEBP", lossless=True),
    "BMP": encode(scene(120, 80), "BMP"),
    "TIFF": encode(scene(120, 80), "TIFF"),
    "LZW TIFF": encode(scene(120, 80), "TIFF", compression="tiff_lzw"),
    "deflated TIFF": encode(scene(120, 80), "TIFF", compression="tiff_adobe_deflate"),
    "packbits TIFF": encode(scene(120, 80), "TIFF", compression="packbits"),
}
