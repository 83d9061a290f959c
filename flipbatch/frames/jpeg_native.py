"""Usual JPEGs are decoded at one eighth by the native decoder, where it is installed.

It takes less than half the time of libjpeg, because it reads past the coefficients that do not count at
this scale. Its pixels are those of libjpeg, to the last bit, of every file that an encoder writes. The
sources are in ``native/``; their order is that of the data: header, code, tables, blocks, samples,
decode.

Knows the outcomes of the native decoder. Knows no other decoder and no place in the input.
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from flipbatch.runtime.native_decoder import NATIVE_DECODER


class Outcome(Enum):
    """What the native decoder says of a file."""

    DECODED = auto()
    DECODED_WITH_ZEROS = auto()
    """512 or more bytes of the code are zeros: a blank area, or a hole in the file."""
    LEFT = auto()
    """Another decoder must tell."""
    DAMAGED = auto()
    """Bits that are no code, or a block that is too long; libjpeg does not tell this of all files. Code that
    ends early is left: libjpeg tells that of any file."""


def native_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG whose header is right in each byte, and of a usual kind.

    Such a file has one scan and at most 1,000 segments. None for others, and without the native decoder.
    """
    return None if NATIVE_DECODER is None else NATIVE_DECODER.size(data)


def decode_eighth(pixels: npt.NDArray[np.uint8], data: bytes) -> Outcome:
    """Decode a file at one eighth.

    Parameters
    ----------
    pixels
        Filled in place: RGB, C-contiguous, (ceil(height / 8), ceil(width / 8), 3). Its content is undefined
        if the file is not decoded.
    data
        The whole file.
    """
    if NATIVE_DECODER is None:
        return Outcome.LEFT
    outcomes = {
        NATIVE_DECODER.DECODED: Outcome.DECODED,
        NATIVE_DECODER.DECODED_WITH_ZEROS: Outcome.DECODED_WITH_ZEROS,
        NATIVE_DECODER.NO_SUCH_CODE: Outcome.DAMAGED,
        NATIVE_DECODER.BLOCK_TOO_LONG: Outcome.DAMAGED,
    }
    return outcomes.get(NATIVE_DECODER.decode(data, pixels), Outcome.LEFT)
