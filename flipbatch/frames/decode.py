"""The bytes of one image file become uint8 pixels at the input size, or the reason why they can't.

The one decoding path of training and scoring. A JPEG is decoded at the smallest scale (1/8, 1/4, 1/2 or 1)
that still covers what is needed of it, by a decoder that stops at the first sign of damage: a frame that
can't be decoded completely is refused, never guessed. The picture is turned upright as its Exif
orientation says, fitted into the input with its aspect kept, centred, and padded with mean grey.

What a file can hide: a JPEG, WebP or BMP carries no checksum, so damage that still reads as valid code (most
single flipped bits; zeros over raw pixels; a progressive JPEG that ends between two scans) goes unseen. Only
PNG is checked bit by bit; docs/reliability.md has figures. Colour profiles are ignored, and of several
pictures in one file (animated WebP or PNG, pages of a TIFF, the second JPEG of a phone's multi-picture file)
the first counts.

Knows bytes and pixels; knows no files, URIs, names, models, nor that a batch exists.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from itertools import islice

import numpy as np
import simplejpeg
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from flipbatch.frames.completeness import require_png_rows, require_tiff_pieces
from flipbatch.schema import Status

MAX_BYTES = 64 * 2**20
"""Longer files are refused unopened: a 1080x1920 frame has 0.3 MB."""

MAX_SCANS = 500
"""A JPEG of more would be decoded for hours: cameras and encoders make about ten."""

MAX_SEGMENTS = 1000
"""So many segments before its pixels has no JPEG: the largest colour profile, 16 MB, takes 255."""

MAX_PIXELS = 100_000_000
"""Larger pictures are refused by their header: three 8K video frames, and up to 1.2 GB while decoding."""

MAX_WEBP_PIXELS = 50_000_000
"""WebP takes 19 bytes a pixel while decoding, the others up to 12."""

PAD_COLOUR = (124, 116, 104)
"""RGB of the bars around a fitted picture and behind transparent pixels: the mean of ImageNet."""

MAX_ERROR_LENGTH = 200
"""Characters of `Rejection.error`, at most."""

_MIN_BYTES = 12  # no image is shorter, and every signature fits
_TAKEN = "JPEG, PNG, WebP, BMP and TIFF are read"
_ORIENTATION_TAG = 0x0112

# Quarters and halves have fast transforms; 3/8 costs more than 4/8, and 5/8 to 7/8 cost more than 8/8.
_EIGHTHS = (1, 2, 4, 8)

# JPEG and fax inside a TIFF are decoded without a word about damage, so they are not taken.
_TIFF_COMPRESSIONS = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"}

_BMP_RUN_LENGTHS = {1, 2}  # decoded a byte at a time, and missing ones are made up

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}  # and 16-bit grey

# JPEG markers, and how big a gap in a file is at least: a disk's sector
_SOF0, _SOF1, _SOF2, _DHT, _SOS, _APP1, _END = 0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xE1, b"\xff\xd9"
_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}  # never out of data: a file without pixels is decoded, too
_FILL = re.compile(rb"\xff+")
_SCAN = b"\xff\xda"
_SECTOR = 512
_APPLICATION = {*range(0xE0, 0xF0), 0xFE}

# How decoders word "I do not know this" as against "this is broken". An unknown JPEG marker is damage.
_UNSUPPORTED = re.compile(
    r"unsupported (?!marker)|not implemented|not supported|incompatible|unknown pixel mode", re.I
)


@dataclass(frozen=True)
class InputSize:
    """Height and width of a model's input, in pixels, both at least 1."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            msg = f"an input of {self.height} x {self.width} pixels has no pixels"
            raise ValueError(msg)


@dataclass(frozen=True)
class Rejection:
    """Why a file gave no pixels.

    Parameters
    ----------
    status
        ``CORRUPT``, ``UNSUPPORTED`` or ``TOO_LARGE``.
    error
        One printable line for a person, at most `MAX_ERROR_LENGTH` characters, equal for equal bytes.
    """

    status: Status
    error: str


def decode(data: bytes, size: InputSize, out: np.ndarray | None = None) -> np.ndarray | Rejection:
    """Decode the bytes of an image file to RGB at exactly `size`.

    Parameters
    ----------
    data
        The whole file. Its format is read from its first bytes, whatever its name.
    size
        Height and width of the result.
    out
        Filled in place and returned if given: uint8, C-contiguous, (size.height, size.width, 3). After a
        rejection it may hold anything.

    Returns
    -------
    uint8 array (height, width, 3), RGB, 0 to 255, C-contiguous; or the reason why there is none.
    Bad bytes never raise; a bad `out` is a ValueError.
    """
    canvas = _canvas(size, out)
    try:
        _decode_into(canvas, data, size)
    except _RejectedError as refusal:
        return refusal.rejection
    except MemoryError:
        return Rejection(Status.TOO_LARGE, "not enough memory to decode it")
    return canvas


class _RejectedError(Exception):
    """Carries a `Rejection` up to `decode`."""

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.rejection = Rejection(status, _one_line(error))


def _one_line(text: str) -> str:
    """Collapse white space, drop what can't be printed and memory addresses, and cut."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(text.split()))
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= MAX_ERROR_LENGTH else text[: MAX_ERROR_LENGTH - 1] + "…"


def _canvas(size: InputSize, out: np.ndarray | None) -> np.ndarray:
    shape = (size.height, size.width, 3)
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.carray:
        msg = f"out must be writeable, C-contiguous, uint8 and {shape}, not {out.dtype} {out.shape}"
        raise ValueError(msg)
    return out


def _decode_into(canvas: np.ndarray, data: bytes, size: InputSize) -> None:
    kind = _sniff(data)
    if kind == "JPEG":
        _decode_jpeg(canvas, data, size)
    else:
        _decode_other(canvas, data, size, kind)


# Which format


def _sniff(data: bytes) -> str:
    """Tell the format from the first bytes: ``JPEG`` or a key of `_PLUGINS`."""
    if not data:
        raise _RejectedError(Status.CORRUPT, "the file is empty")
    if len(data) > MAX_BYTES:
        raise _RejectedError(Status.TOO_LARGE, f"{len(data):,} bytes; at most {MAX_BYTES:,} are read")
    if len(data) < _MIN_BYTES:
        raise _RejectedError(Status.CORRUPT, f"the file has only {len(data)} bytes")
    for kind, signature in _SIGNATURES:
        if signature.match(data):
            return kind
    raise _RejectedError(Status.UNSUPPORTED, _foreign(data))


_SIGNATURES = [
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        ("JPEG", rb"\xff\xd8"),
        ("PNG", rb"\x89PNG\r\n\x1a\n"),
        ("WebP", rb"RIFF....WEBP"),
        ("BMP", rb"BM"),
        ("TIFF", rb"II[*+]\0|MM\0[*+]"),
    )
]

_FOREIGN = {b"GIF8": "a GIF", b"%PDF": "a PDF", b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "gzip"}


def _foreign(data: bytes) -> str:
    for signature, name in _FOREIGN.items():
        if data.startswith(signature):
            return f"{name}; {_TAKEN}"
    if data[4:8] == b"ftyp":  # HEIC, AVIF, MP4, QuickTime: the brand says which
        return f"a file of the HEIC, AVIF or MP4 family ({data[8:12]!r}); {_TAKEN}"
    return f"no known image, it begins with {data[:8]!r}; {_TAKEN}"


# Where the picture goes


@dataclass(frozen=True)
class _Plan:
    """How a stored picture gets into the input.

    Parameters
    ----------
    eighths
        The scale to decode at.
    extent
        What the picture then measures: (height, width), as stored, before it is turned upright.
    scaled
        The same in whole pixels: a started one counts.
    fitted
        Its size in the input, as stored.
    orientation
        Exif's 1 to 8.
    """

    eighths: int
    extent: tuple[float, float]
    scaled: InputSize
    fitted: InputSize
    orientation: int


def _check_pixels(height: int, width: int, most: int = MAX_PIXELS) -> None:
    """Believe the header: refuse before anything of that size is allocated."""
    if height < 1 or width < 1:
        raise _RejectedError(Status.CORRUPT, f"the header says {height} x {width} pixels")
    if height * width > most:
        error = f"{height} x {width} pixels; at most {most:,} are read"
        raise _RejectedError(Status.TOO_LARGE, error)


@lru_cache(maxsize=256)  # frames of one directory are mostly of one size
def _plan(height: int, width: int, orientation: int, size: InputSize) -> _Plan:
    stored = InputSize(size.width, size.height) if orientation in _SIDEWAYS else size
    fitted = _fit(height, width, stored)
    eighths = _cheapest_scale(height, width, fitted)
    extent = height * eighths / 8, width * eighths / 8
    scaled = InputSize(_scaled(height, eighths), _scaled(width, eighths))
    return _Plan(eighths, extent, scaled, fitted, orientation)


def _fit(height: int, width: int, size: InputSize) -> InputSize:
    """Return the largest size with the aspect of height x width that lies inside `size`."""
    if height * size.width >= width * size.height:
        return InputSize(size.height, max(1, round(width * size.height / height)))
    return InputSize(max(1, round(height * size.width / width)), size.width)


def _cheapest_scale(height: int, width: int, fitted: InputSize) -> int:
    for eighths in _EIGHTHS:
        if _scaled(height, eighths) >= fitted.height and _scaled(width, eighths) >= fitted.width:
            return eighths
    return 8


def _scaled(length: int, eighths: int) -> int:
    """Return the length after decoding, rounded up."""
    return -(-length * eighths // 8)


# Each takes the picture as stored to the picture upright, as a view.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
_SIDEWAYS = {5, 6, 7, 8}


def _place(canvas: np.ndarray, pixels: np.ndarray, plan: _Plan) -> None:
    """Resize what the scale left over, turn upright, and centre between bars of `PAD_COLOUR`."""
    upright = _TURNS[plan.orientation](_resize(pixels, plan))
    height, width = upright.shape[:2]
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    if upright.shape != canvas.shape:
        canvas[:] = PAD_COLOUR
    canvas[top : top + height, left : left + width] = upright


def _resize(pixels: np.ndarray, plan: _Plan) -> np.ndarray:
    """Bicubic, antialiased: of Pillow's filters the nearest to averaging the full picture's areas."""
    if plan.scaled == plan.fitted:
        return pixels
    height, width = plan.extent
    size = (plan.fitted.width, plan.fitted.height)
    return np.asarray(
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=(0, 0, width, height))
    )


# Decoders


@contextmanager
def _refusing(kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a file into a rejection; no work of our own belongs inside."""
    try:
        yield
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise _RejectedError(
            Status.TOO_LARGE, f"over {MAX_PIXELS:,} pixels, the most that is read"
        ) from error
    except Exception as error:
        status = Status.UNSUPPORTED if _UNSUPPORTED.search(str(error)) else Status.CORRUPT
        raise _RejectedError(status, f"the {kind} can't be decoded: {error}") from error


def _decode_jpeg(canvas: np.ndarray, data: bytes, size: InputSize) -> None:
    """Decode any JPEG strictly, CMYK included; straight into the canvas where the scale hits its size.

    No second decoder steps in: of what this one refuses, Pillow reads nothing but damaged files. The fast
    options stay off: they change neither pixels nor time at 1/8, and add 0.3 grey levels of error at 1/2.
    """
    height, width = _jpeg_size(data)
    _check_pixels(height, width)
    _check_effort(data)
    plan = _plan(height, width, _jpeg_orientation(data), size)
    direct = plan.scaled == plan.fitted == size and plan.orientation == 1
    pixels = _jpeg_pixels(data, plan.scaled, canvas if direct else None)
    if _has_hole(data):
        raise _RejectedError(Status.CORRUPT, "the JPEG has a hole: bytes inside the picture are all zero")
    if not direct:
        _place(canvas, pixels, plan)


def _check_effort(data: bytes) -> None:
    """Refuse what no camera makes and few bytes of which would be decoded for minutes."""
    segments = list(islice(_jpeg_segments(data), MAX_SEGMENTS + 1))
    if len(segments) > MAX_SEGMENTS:
        raise _RejectedError(Status.UNSUPPORTED, f"a JPEG of more than {MAX_SEGMENTS} segments")
    if any(marker in _ARITHMETIC for marker, _, _ in segments):
        raise _RejectedError(Status.UNSUPPORTED, "an arithmetic-coded JPEG")
    # To count scans in all would cost a tenth of decoding: most have one, with all components in it.
    if not _is_one_scan(segments) and data.count(_SCAN) > MAX_SCANS:
        raise _RejectedError(Status.UNSUPPORTED, f"a JPEG of more than {MAX_SCANS} scans")


def _is_one_scan(segments: list[tuple[int, bytes, int]]) -> bool:
    components = next((payload[5:6] for marker, payload, _ in segments if marker in {_SOF0, _SOF1}), None)
    return components is not None and segments[-1][1][:1] == components


def _jpeg_pixels(data: bytes, scaled: InputSize, buffer: np.ndarray | None) -> np.ndarray:
    """Decode at the scale that gives `scaled`, into `buffer` if there is one."""
    least = {"min_height": scaled.height, "min_width": scaled.width}
    with _refusing("JPEG"):
        return simplejpeg.decode_jpeg(data, "RGB", **least, buffer=buffer, strict=True)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    try:
        with _refusing("JPEG"):
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    except _RejectedError as refusal:
        if "subsampling" not in refusal.rejection.error:  # said of any header without a usable frame
            raise
        if _has_whole_header(data):
            raise _RejectedError(Status.UNSUPPORTED, "a JPEG of unusual chroma subsampling") from refusal
        raise _RejectedError(Status.CORRUPT, "the JPEG's header is broken or cut short") from refusal
    return int(height), int(width)


def _has_whole_header(data: bytes) -> bool:
    """Tell whether the header goes all the way to the pixels, so that nothing of it is missing."""
    return any(marker == _SOS and end < len(data) for marker, _, end in _jpeg_segments(data))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (marker, payload, end) of the header's segments; of one cut short, the end lies outside."""
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
    """Return where bytes of 0xFF, which may stand before any marker, end."""
    fill = _FILL.match(data, position)
    return fill.end() if fill else position


def _has_hole(data: bytes) -> bool:
    """Tell whether zeros replace a sector or more of a baseline JPEG's pixels.

    Zeros are valid code. Where they happen to give as many blocks as they replaced, which is one 4 KiB hole
    of a hundred and one 512-byte hole of twelve in 1080x1920 frames, even a strict decoder is content.
    """
    if bytes(_SECTOR // 128) not in data[::128]:  # a sieve that stops every hole, and costs microseconds
        return False
    first_symbols: dict[int, int] = {}
    components = 0
    for marker, payload, end in _jpeg_segments(data):
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
    """Map each Huffman table to the symbol that zero bits stand for.

    If that is 0, "no more detail in this block", in all tables of a picture, then zeros may be a blank area.
    """
    found, position = {}, 0
    while position + 17 < len(tables):
        found[tables[position]] = tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])
    return found


def _jpeg_orientation(data: bytes) -> int:
    """Look for Exif where it must stand: among the application segments, before the tables."""
    for marker, payload, _ in _jpeg_segments(data):
        if marker not in _APPLICATION:
            break
        if marker == _APP1 and payload.startswith(b"Exif\0\0"):
            return _exif_orientation(payload[6:])
    return 1


def _exif_orientation(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from a TIFF structure; 1 if it has none or makes no sense."""
    order = ">" if exif.startswith(b"MM") else "<"
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, value = struct.unpack_from(order + "H6xH", exif, entry)
            if tag == _ORIENTATION_TAG:
                return value if value in _TURNS else 1
    except struct.error:
        pass
    return 1


def _decode_other(canvas: np.ndarray, data: bytes, size: InputSize, kind: str) -> None:
    """Decode by Pillow, in whole; then halve as JPEGs are halved, so that one frame looks alike in both."""
    # Pillow warns about metadata, which is nobody's concern here. Where threads meet in this block, the worst
    # is a warning shown or hidden.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _load(data, kind)
        orientation = _orientation(image)
    plan = _plan(image.height, image.width, orientation, size)
    with _refusing(kind):
        image = _flat(_direct(image).reduce(8 // plan.eighths))
    _place(canvas, np.asarray(image), plan)


def _load(data: bytes, kind: str) -> ImageFile.ImageFile:
    with _refusing(kind):
        image = _PLUGINS[kind](BytesIO(data))
    _check_pixels(image.height, image.width, MAX_WEBP_PIXELS if kind == "WebP" else MAX_PIXELS)
    if reason := _not_taken(image):
        raise _RejectedError(Status.UNSUPPORTED, f"{reason} is not read")
    with _refusing(kind):
        if isinstance(image, PngImageFile):
            PngImageFile(BytesIO(data)).verify()  # loading alone skips the checksums of pixels
            require_png_rows(data)
        if isinstance(image, TiffImageFile):
            require_tiff_pieces(image)
        image.load()
    return image


# Opened by class: `Image.open` would first try, and warn by, limits of its own.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}


def _not_taken(image: ImageFile.ImageFile) -> str | None:
    """Say what about an opened image has no sure meaning, or would hide damage when loaded."""
    compression = image.info.get("compression")
    if isinstance(image, TiffImageFile) and compression not in _TIFF_COMPRESSIONS:
        return f"a TIFF with {compression} compression"
    if isinstance(image, BmpImageFile) and compression in _BMP_RUN_LENGTHS:
        return "a run-length BMP"
    sixteen = image.mode.startswith("I;16")
    if sixteen and isinstance(image, TiffImageFile) and not _is_plain_grey16(image):
        return "a TIFF of unusual 16-bit grey"
    return None if sixteen or image.mode in _MODES else f"an image of mode {image.mode}"


def _is_plain_grey16(image: TiffImageFile) -> bool:
    bits, black_is_zero = image.tag_v2.get(258), 1
    return bits == (16,) and image.tag_v2.get(262) == black_is_zero


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return what is still to be done: a TIFF was turned when it was loaded."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a broken description is no broken picture
        return 1
    return orientation if orientation in _TURNS else 1


def _direct(image: Image.Image) -> Image.Image:
    """Give every pixel values of its own, 8 bits each, that can be averaged."""
    if image.mode.startswith("I;16"):
        # Pillow would clip to 255. The high byte is what it takes of 16-bit colour.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in {"1", "P"} else image


def _flat(image: Image.Image) -> Image.Image:
    """Lay transparent pixels over `PAD_COLOUR`: like the bars, they are no part of the picture."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, PAD_COLOUR)
    ground.paste(image, mask=image.getchannel("A"))
    return ground
