"""The bytes of one image file become uint8 pixels at the input size, or a reason why they can't.

This is the one decoding path of training and scoring. A JPEG is decoded at the smallest scale (1/8, 1/4, 1/2
or 1) that covers the input, by a decoder that stops at the first sign of damage: a frame that can't be
decoded completely is rejected, never guessed. The picture is turned upright as its Exif orientation says,
fitted into the input with its aspect kept, centred, and padded with mean grey.

Damage that is still valid code is not detected, because a JPEG, WebP or BMP has no checksum (most
single flipped bits; zeros over raw pixels; a progressive JPEG that ends between two scans). Only PNG is
checked bit by bit; docs/reliability.md has figures. Colour profiles are ignored. Of several pictures in one
file (animated WebP or PNG, pages of a TIFF, the second JPEG of a phone's multi-picture file) the first is
read.

A new format needs an entry in `_SIGNATURES`, in `pillow_formats._PLUGINS` and in `names.IMAGE_EXTENSIONS`.

Knows how formats are told apart; decoding is in `jpeg` and `pillow_formats`, the place in the input in
`fitting`. Knows no files, URIs, names, models or batches.
"""

from __future__ import annotations

import logging
import re

import numpy as np

from flipbatch.frames.fitting import PAD_COLOUR, InputSize
from flipbatch.frames.jpeg import decode_jpeg
from flipbatch.frames.pillow_formats import decode_by_pillow
from flipbatch.frames.rejection import MAX_ERROR_LENGTH, RejectedError, Rejection
from flipbatch.runtime.wording import counted
from flipbatch.schema import Status

__all__ = ["DECODER_FAULT", "MAX_BYTES", "MAX_ERROR_LENGTH", "PAD_COLOUR", "InputSize", "Rejection", "decode"]

log = logging.getLogger(__name__)

DECODER_FAULT = "flipbatch failed to decode it"
"""How the reason starts for a file that makes a decoder raise what it should not raise."""

MAX_BYTES = 64 * 2**20
"""Longer files are rejected unopened: a 1080x1920 frame has 0.3 MB."""

_MIN_BYTES = 12  # no image is shorter, and every signature fits
_READ = "JPEG, PNG, WebP, BMP and TIFF are read"

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

_OTHER_FORMATS = {b"GIF8": "a GIF", b"%PDF": "a PDF", b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "gzip"}


def decode(data: bytes, size: InputSize, out: np.ndarray | None = None) -> np.ndarray | Rejection:
    """Decode the bytes of an image file to RGB at exactly `size`.

    Parameters
    ----------
    data
        The whole file. Its first bytes tell its format; its name does not matter.
    size
        Height and width of the result.
    out
        Filled in place and returned if given: uint8, C-contiguous, (size.height, size.width, 3). Its content
        is undefined after a rejection.

    Returns
    -------
    uint8 array (height, width, 3), RGB, 0 to 255, C-contiguous; or the reason why there is none.
    Bad bytes never raise.

    Raises
    ------
    ValueError
        If `out` does not fit.
    """
    canvas = _canvas(size, out)
    try:
        _decode_into(canvas, data, size)
    except RejectedError as error:
        return error.rejection
    except MemoryError:
        return Rejection(Status.TOO_LARGE, "not enough memory to decode it")
    except Exception as error:  # a fault of ours: one file may not end a run of millions
        log.debug("A file of %d bytes made the decoder fail.", len(data), exc_info=True)
        return RejectedError(Status.CORRUPT, f"{DECODER_FAULT}: {error!r}").rejection
    return canvas


def _canvas(size: InputSize, out: np.ndarray | None) -> np.ndarray:
    shape = (size.height, size.width, 3)
    if out is None:
        return np.empty(shape, np.uint8)
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.carray:
        msg = f"out must be writeable, C-contiguous, uint8 and {shape}, not {out.dtype} {out.shape}"
        raise ValueError(msg)
    return out


def _decode_into(canvas: np.ndarray, data: bytes, size: InputSize) -> None:
    kind = _format_of(data)
    if kind == "JPEG":
        decode_jpeg(canvas, data, size)
    else:
        decode_by_pillow(canvas, data, size, kind)


def _format_of(data: bytes) -> str:
    """Return the format by the first bytes: ``JPEG``, ``PNG``, ``WebP``, ``BMP`` or ``TIFF``."""
    if not data:
        raise RejectedError(Status.CORRUPT, "the file is empty")
    if len(data) > MAX_BYTES:
        raise RejectedError(Status.TOO_LARGE, f"{len(data):,} bytes; at most {MAX_BYTES:,} are read")
    if len(data) < _MIN_BYTES:
        raise RejectedError(Status.CORRUPT, f"the file has only {counted(len(data), 'byte')}")
    for kind, signature in _SIGNATURES:
        if signature.match(data):
            return kind
    raise RejectedError(Status.UNSUPPORTED, _describe_other(data))


def _describe_other(data: bytes) -> str:
    """Return what a file is that has none of the formats."""
    for signature, name in _OTHER_FORMATS.items():
        if data.startswith(signature):
            return f"{name}; {_READ}"
    if data[4:8] == b"ftyp":  # HEIC, AVIF, MP4 and QuickTime: the brand says which
        return f"a file of the HEIC, AVIF or MP4 family ({data[8:12]!r}); {_READ}"
    return f"no known image, it begins with {data[:8]!r}; {_READ}"
