"""URIs become pixels, or a reason why they can't: both training and scoring load frames here.

Knows storage and decoding. Does not know labels, models or tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat

import numpy as np
import numpy.typing as npt

from flipbatch import storage
from flipbatch.frames.decode import MAX_BYTES, InputSize, Rejection
from flipbatch.frames.film_uris import FilmFrame, film_frame
from flipbatch.frames.film_versions import versions_of_now
from flipbatch.frames.isolation import Decoder, decode_inline
from flipbatch.frames.unread import unread
from flipbatch.schema import Status


@dataclass(frozen=True)
class LoadedFrames:
    """Frames of one input size, in the order of their URIs.

    Attributes
    ----------
    pixels : ndarray
        (N, height, width, 3), uint8, RGB; undefined if the status is not ok.
    status : list of Status
        (N,)
    error : list of str or None
        (N,), one line for the user; None if the status is ok.
    """

    pixels: npt.NDArray[np.uint8]
    status: list[Status]
    error: list[str | None]

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Whether each frame has pixels, (N,)."""
        return np.array([status is Status.OK for status in self.status], dtype=bool)


Source = bytes | FilmFrame | OSError
"""What a frame is decoded from: the bytes of an image, or a film; or why there is nothing."""


def start_reading(
    uris: Sequence[str],
    versions: Iterable[str | None] = repeat(None),
    seconds: Iterable[float | None] = repeat(None),
) -> Iterator[Source]:
    """Start to read the first of these files now; `load_frames` takes the iterator.

    Parameters
    ----------
    uris, versions, seconds : sequence of str, float or None
        Columns of `schema.MANIFEST`. A file of another version is an `OSError`.

    Returns
    -------
    iterator of Source
        One item a frame, in order. Films are not read ahead.
    """
    rows = list(zip(uris, versions, seconds, strict=False))
    with_version = versions_of_now()
    of_films = [with_version(frame) if (frame := film_frame(*row)) else None for row in rows]
    images = [frame is None for frame in of_films]
    paths, known, _ = zip(*compress(rows, images), strict=True) if any(images) else ((), (), ())
    return _merged(of_films, storage.read_many(paths, MAX_BYTES + 1, known))


def _merged(of_films: list[FilmFrame | None], images: Iterator[bytes | OSError]) -> Iterator[Source]:
    for frame in of_films:
        yield next(images) if frame is None else frame


def load_frames(
    uris: Sequence[str],
    sizes: Sequence[InputSize],
    files: Iterable[Source] | None = None,
    decoder: Decoder = decode_inline,
) -> dict[InputSize, LoadedFrames]:
    """Read each frame once and decode it once for each input size.

    Parameters
    ----------
    uris : sequence of str
        (N,)
    sizes : sequence of InputSize
        No size twice.
    files : iterable of Source, optional
        The result of `start_reading` for the same frames, if it was called before.
    decoder : callable
        A decoder of `frames.isolation`.

    Returns
    -------
    dict of InputSize to LoadedFrames
        A missing or damaged frame is a status, never an exception.
    """
    loaded = {size: _empty(len(uris), size) for size in sizes}
    for index, data in enumerate(start_reading(uris) if files is None else files):
        for size, frames in loaded.items():
            _put(frames, index, _decode(data, size, frames.pixels[index], decoder))
    return loaded


def _empty(count: int, size: InputSize) -> LoadedFrames:
    pixels = np.empty((count, size.height, size.width, 3), dtype=np.uint8)
    return LoadedFrames(pixels, [Status.OK] * count, [None] * count)


def _decode(data: Source, size: InputSize, out: npt.NDArray[np.uint8], decoder: Decoder) -> Rejection | None:
    return unread(data) if isinstance(data, OSError) else decoder(data, size, out)


def _put(frames: LoadedFrames, index: int, rejection: Rejection | None) -> None:
    if rejection is not None:
        frames.status[index], frames.error[index] = rejection.status, rejection.error
