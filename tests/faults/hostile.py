"""Corrupt and malicious files, generated deterministically from a few good files."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import simplejpeg
from PIL import Image

from tests.conftest import draw_frame

SOF0, SOF2, SOS = b"\xff\xc0", b"\xff\xc2", b"\xff\xda"

HARMED = frozenset({"corrupt", "unsupported"})
ANY = frozenset({"ok", "corrupt", "unsupported", "too_large"})
REFUSED = ANY - {"ok"}
OK = frozenset({"ok"})

Case = tuple[str, bytes, frozenset[str]]
"""What it is, its bytes, and which statuses are right."""


def hostile_cases() -> list[Case]:
    """Return all cases, at least 200."""
    makers = (
        truncated, flipped, noise, other_kinds, giants, many_scans, colours, depths, animated, turned,
        profiles, codings, bombs,
    )  # fmt: skip
    return [case for maker in makers for case in maker()]


def encoded(kind: str = "JPEG", image: Image.Image | None = None, **options: object) -> bytes:
    sink = io.BytesIO()
    (image or Image.fromarray(draw_frame(flip=True, seed=1))).save(sink, kind, **options)
    return sink.getvalue()


GOOD = simplejpeg.encode_jpeg(draw_frame(flip=True, seed=1), quality=85)


def truncated() -> Iterator[Case]:
    scan = GOOD.index(SOS)
    starts = [position for position in range(scan) if GOOD[position] == 0xFF]
    ends = {0, 1, 2, 3, scan, scan + 1, scan + 2, scan + 13, scan + 14, len(GOOD) - 1, len(GOOD) - 2}
    ends |= {start + extra for start in starts[:12] for extra in (1, 3)}
    ends |= {scan + (len(GOOD) - scan) * part // 12 for part in range(1, 12)}
    for end in sorted(ends):
        yield f"cut after {end} bytes", GOOD[:end], HARMED
        if end > scan + 14:
            yield f"cut after {end} bytes and ended", GOOD[:end] + b"\xff\xd9", HARMED | OK


def flipped() -> Iterator[Case]:
    chance = random.Random(0)
    for number in range(60):
        data = bytearray(GOOD)
        for _ in range(1 + number % 3):
            bit = chance.randrange(len(data) * 8)
            data[bit // 8] ^= 1 << bit % 8
        yield f"bits flipped, {number}", bytes(data), ANY


def noise() -> Iterator[Case]:
    chance = random.Random(0)
    for size in (0, 1, 7, 4096, 300_000):
        yield f"{size} zeros", bytes(size), HARMED
        yield f"{size} ones", b"\xff" * size, HARMED
        yield f"{size} bytes of noise", chance.randbytes(size), HARMED
        yield f"{size} bytes of noise behind a JPEG's first", b"\xff\xd8\xff" + chance.randbytes(size), HARMED


def other_kinds() -> Iterator[Case]:
    for kind in ("PNG", "WEBP", "BMP", "TIFF"):
        yield f"a {kind} called jpg", encoded(kind), OK
        for share in (3, 50, 97):
            data = encoded(kind)
            yield f"a {kind} called jpg, {share} % of it", data[: len(data) * share // 100], ANY
    for kind in ("GIF", "PPM", "TGA", "ICO", "PCX", "PDF", "EPS"):
        yield f"a {kind} called jpg", encoded(kind), HARMED
    yield "HTML", b"<html><script>alert(1)</script>", HARMED
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', HARMED
    yield "HEIC", b"\0\0\0\x18ftypheic" + bytes(100), HARMED
    yield "AVIF", b"\0\0\0\x18ftypavif" + bytes(100), HARMED
    yield "JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), HARMED
    yield "JPEG XL", b"\xff\x0a" + bytes(100), HARMED
    yield "ZIP", b"PK\x03\x04" + bytes(100), HARMED
    yield "pickle", b"\x80\x04\x95\x17\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", HARMED


def giants() -> Iterator[Case]:
    for width, height in (
        (60_000, 60_000),
        (65_535, 65_535),
        (65_535, 1),
        (1, 65_535),
        (0, 480),
        (270, 0),
        (0, 0),
    ):
        sizes = struct.pack(">HH", height, width)
        start = GOOD.index(SOF0) + 5
        yield f"a JPEG that promises {width}x{height}", GOOD[:start] + sizes + GOOD[start + 4 :], REFUSED
        yield f"a PNG that promises {width}x{height}", _png(width, height, b""), REFUSED
        bmp = bytearray(encoded("BMP"))
        bmp[18:26] = struct.pack("<ii", width, height)
        # One row of 65,535 pixels is shorter than the file: it may well be meant so.
        yield f"a BMP that promises {width}x{height}", bytes(bmp), ANY if 1 in (width, height) else REFUSED


def _png(width: int, height: int, pixels: bytes, *more: tuple[bytes, bytes]) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), *more]
    chunks += [(b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def many_scans() -> Iterator[Case]:
    data = encoded("JPEG", progressive=True)
    last = data.rindex(SOS)
    for count in (1, 400, 3000, 20_000):
        wanted = OK | HARMED if count < 500 else HARMED
        yield f"{count} scans more", data[:last] + data[last:-2] * count + data[last:], wanted


def colours() -> Iterator[Case]:
    frame = Image.fromarray(draw_frame(flip=True, seed=1))
    for mode in ("CMYK", "L", "RGB"):
        plain = encoded("JPEG", frame.convert(mode))
        yield f"a JPEG of {mode}", plain, OK
        for transform in (0, 1, 2, 3, 255):
            adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
            yield f"a JPEG of {mode} with Adobe's transform {transform}", plain[:2] + adobe + plain[2:], ANY
    for subsampling in (0, 1, 2):
        yield f"subsampling {subsampling}", encoded("JPEG", frame, subsampling=subsampling), OK


def depths() -> Iterator[Case]:
    frame = Image.fromarray(draw_frame(flip=True, seed=1))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        yield f"a PNG of {mode}", encoded("PNG", frame.convert(mode)), OK
    yield (
        "a PNG of 16 bits",
        encoded("PNG", Image.fromarray(np.asarray(frame.convert("L")).astype(np.uint16) << 8)),
        OK,
    )
    for mode in ("F", "I", "YCbCr", "LAB", "HSV", "CMYK"):
        yield f"a TIFF of {mode}", _saved_or_noise(frame, mode), ANY


def _saved_or_noise(frame: Image.Image, mode: str) -> bytes:
    try:
        return encoded("TIFF", frame.convert("L").convert(mode) if mode in "FI" else frame.convert(mode))
    except (ValueError, OSError):
        return mode.encode()


def animated() -> Iterator[Case]:
    frames = [Image.fromarray(draw_frame(flip=True, seed=seed)) for seed in range(3)]
    for kind, wanted in (("WEBP", OK), ("PNG", OK), ("TIFF", OK), ("GIF", HARMED)):
        yield f"an animated {kind}", encoded(kind, frames[0], save_all=True, append_images=frames[1:]), wanted
    yield "two JPEGs in one file", GOOD + GOOD, OK
    yield "a JPEG with a tail", GOOD + b"<script>" * 1000, OK


def turned() -> Iterator[Case]:
    for orientation in (*range(10), 255, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"Exif orientation {orientation}", encoded("JPEG", exif=exif), OK
    for number, body in enumerate(
        (b"", b"II", b"MM\0\x2a\xff\xff\xff\xff", b"II\x2a\0\x08\0\0\0\xff\xff", bytes(60_000))
    ):
        exif_segment = b"Exif\0\0" + body
        segment = b"\xff\xe1" + struct.pack(">H", len(exif_segment) + 2) + exif_segment
        yield f"broken Exif {number}", GOOD[:2] + segment + GOOD[2:], OK


def profiles() -> Iterator[Case]:
    for number, icc in enumerate((b"", b"\0", b"x" * 200_000, bytes(128), b"\xff" * 5000)):
        yield f"an odd ICC profile {number}", encoded("JPEG", icc_profile=icc), OK
        yield f"a PNG with an odd ICC profile {number}", encoded("PNG", icc_profile=icc), ANY
    for count, total in ((0, 0), (2, 1), (255, 255)):
        body = b"ICC_PROFILE\0" + bytes([count, total]) + b"x" * 50
        segment = b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
        yield f"part {count} of {total} of an ICC profile", GOOD[:2] + segment + GOOD[2:], OK


def codings() -> Iterator[Case]:
    start = GOOD.index(SOF0)
    for marker in (0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCA, 0xCB, 0xCF):
        yield f"a JPEG of coding {marker:x}", GOOD[: start + 1] + bytes([marker]) + GOOD[start + 2 :], ANY
    yield "a JPEG of 12 bits", GOOD[: start + 4] + b"\x0c" + GOOD[start + 5 :], REFUSED
    yield "a JPEG without tables", GOOD[:2] + GOOD[start:], REFUSED
    restarted = encoded("JPEG", restart_marker_blocks=4)
    yield "restart markers", restarted, OK
    yield "restart markers in disorder", restarted.replace(b"\xff\xd1", b"\xff\xd5"), ANY


def bombs() -> Iterator[Case]:
    text = (b"iTXt", b"c\0\x01\0\0\0" + zlib.compress(bytes(100_000_000)))
    good = Image.fromarray(draw_frame(flip=True, seed=1))
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(good))
    yield "a PNG with 100 MB of text", _png(good.width, good.height, rows, text), ANY
    yield (
        "a PNG whose pixels unpack to 100 MB more",
        _png(good.width, good.height, rows + bytes(100_000_000)),
        ANY,
    )
    loop = bytearray(encoded("TIFF"))
    loop[4:8] = struct.pack("<I", 4)
    yield "a TIFF whose directory is in its header", bytes(loop), HARMED


NAMES = [
    "with space", "new\nline", "tab\tulator", "'single'", '"double"', "`back`", "back\\slash", "a&b;c",
    "<script>alert(1)<", "<img src=x onerror=alert(1)>", "100%", "%2e%2e", "hash#tag", "why?", "star*",
    "[bracket]", "{brace}", "$(touch x)", "; rm -rf .", "-dash", "~tilde", "ä ö ü", "日本語", "\u202eleft",
    "e\u0301", "🙂", "=cmd()", "n" * 200,
]  # fmt: skip
"""VideoIDs that a file name may hold: for shells, for HTML, for tables and for paths."""
