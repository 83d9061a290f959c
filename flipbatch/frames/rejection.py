"""Why a file gives no pixels: the reason, the error that carries it, and the limits on size.

Knows limits and how decoders word their errors; knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from flipbatch.schema import Status

MAX_PIXELS = 100_000_000
"""More pixels are rejected by the header: three 8K video frames, and up to 1.2 GB while decoding."""

MAX_ERROR_LENGTH = 200
"""Characters of `Rejection.error`, at most."""

# Decoders use these words for "unknown", as opposed to "broken". An unknown JPEG marker is damage.
_UNSUPPORTED = re.compile(
    r"unsupported (?!marker)|not implemented|not supported|incompatible|unknown pixel mode", re.I
)


@dataclass(frozen=True)
class Rejection:
    """Why a file gave no pixels.

    Parameters
    ----------
    status
        ``CORRUPT``, ``UNSUPPORTED`` or ``TOO_LARGE``; `frames.load` adds ``MISSING`` and ``UNREADABLE``.
    error
        One printable line for the user, at most `MAX_ERROR_LENGTH` characters, equal for equal bytes.
    """

    status: Status
    error: str


class RejectedError(Exception):
    """Carries a `Rejection` up to `decode`."""

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.rejection = Rejection(status, _one_line(error))


def _one_line(text: str) -> str:
    """Collapse white space, drop unprintable characters and memory addresses, and cut."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(text.split()))
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= MAX_ERROR_LENGTH else text[: MAX_ERROR_LENGTH - 1] + "…"


def check_pixels(height: int, width: int, limit: int = MAX_PIXELS) -> None:
    """Check the size that a header gives, before memory of that size is allocated.

    Raises
    ------
    RejectedError
        If there are no pixels, or more than `limit`.
    """
    if height < 1 or width < 1:
        raise RejectedError(Status.CORRUPT, f"the header says {height} x {width} pixels")
    if height * width > limit:
        error = f"{height} x {width} pixels; at most {limit:,} are read"
        raise RejectedError(Status.TOO_LARGE, error)


@contextmanager
def decoder_errors(kind: str) -> Iterator[None]:
    """Turn every error of a decoder into a `RejectedError`; the block holds calls of the library only."""
    try:
        yield
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise RejectedError(Status.TOO_LARGE, f"over {MAX_PIXELS:,} pixels, the most that is read") from error
    except Exception as error:
        status = Status.UNSUPPORTED if _UNSUPPORTED.search(str(error)) else Status.CORRUPT
        raise RejectedError(status, f"the {kind} can't be decoded: {error}") from error
