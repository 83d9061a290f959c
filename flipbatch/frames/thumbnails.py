"""Small pictures of frames: read again, scaled down, and without the bars around them.

Knows how frames are loaded. Does not know models, tables or markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from flipbatch.frames.decode import PAD_COLOUR, InputSize
from flipbatch.frames.load import load_frames
from flipbatch.schema import TRANSIENT

_AT_A_TIME = 12


def load_thumbnails(uris: Sequence[str], side: int) -> Iterator[npt.NDArray[np.uint8] | None]:
    """Read frames again, a few at a time.

    Parameters
    ----------
    uris : sequence of str
        (N,), of images and of frames of films.
    side : int
        Pixels of the longer side.

    Yields
    ------
    ndarray or None
        (height, width, 3), uint8, RGB. None if the frame can't be read or decoded. After the first frames
        that the storage does not deliver, no others are tried: it is not asked again and again.
    """
    size = InputSize(side, side)
    failing = False
    for start in range(0, len(uris), _AT_A_TIME):
        some = uris[start : start + _AT_A_TIME]
        if failing:
            yield from [None] * len(some)
            continue
        frames = load_frames(some, [size])[size]
        failing = any(status in TRANSIENT for status in frames.status)
        for pixels, ok in zip(frames.pixels, frames.ok, strict=True):
            yield _without_bars(pixels) if ok else None


def _without_bars(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the part of a fitted picture that shows the frame."""
    shown = (pixels != np.array(PAD_COLOUR, np.uint8)).any(axis=2)
    if not shown.any():
        return pixels
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
