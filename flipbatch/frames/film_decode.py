"""A frame of a film becomes pixels, or a reason why it can't: films are opened here, one at a time.

A process keeps the film that it read last open, and goes on where it was, unless the film was replaced.
Threads take turns. Knows storage, and frames by film and number. Does not know batches or models.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from flipbatch import storage
from flipbatch.frames.film_container import film_errors, open_film
from flipbatch.frames.film_index import film_index
from flipbatch.frames.film_pixels import fit_frame
from flipbatch.frames.film_reader import FilmReader
from flipbatch.frames.film_uris import FilmFrame
from flipbatch.frames.fitting import InputSize
from flipbatch.frames.rejection import RejectedError, Rejection
from flipbatch.frames.unread import unread
from flipbatch.schema import Status


def decode_film_frame(frame: FilmFrame, size: InputSize, out: NDArray[np.uint8]) -> Rejection | None:
    """Decode a frame of a film into the input of a model.

    Parameters
    ----------
    frame : FilmFrame
        Frames of one film are decoded fastest in their order.
    size : InputSize
    out : ndarray
        Filled in place: uint8 RGB (size.height, size.width, 3).

    Returns
    -------
    Rejection or None
        Why there are no pixels.
    """
    try:
        with film_errors():
            fit_frame(out, film_picture(frame), size)
    except RejectedError as error:
        return error.rejection
    except OSError as error:
        return unread(error)
    except MemoryError:
        return Rejection(Status.TOO_LARGE, "not enough memory to decode it")
    return None


def film_picture(frame: FilmFrame) -> VideoFrame:
    """Return a frame of a film as it is stored.

    Raises
    ------
    RejectedError
        If it can't be decoded, or the film has no such frame.
    OSError
        As the storage raises it.
    """
    with _one_at_a_time:
        try:
            return _open_film.picture(frame, _seconds(frame))
        except OSError:
            _open_film.close()  # its position is unknown
            raise


def _seconds(frame: FilmFrame) -> float:
    if frame.seconds is not None:
        return frame.seconds
    index = film_index(frame.film, frame.version)
    if frame.number >= index.frames:
        missing = index.missing(frame.number)
        raise RejectedError(missing.status, missing.error)
    return float(index.seconds[frame.number])


class _OpenFilm:
    """The film that this process read last."""

    def __init__(self) -> None:
        self._key: object = None
        self._reader: FilmReader | None = None
        self._why: RejectedError | None = None
        self._stack = ExitStack()

    def picture(self, frame: FilmFrame, seconds: float) -> VideoFrame:
        key = frame.film, frame.version, storage.local_state(frame.film)
        if self._key != key:
            self.close()
            self._open(frame.film, frame.version)
            self._key = key
        if self._why is not None:
            raise self._why
        assert self._reader is not None
        return self._reader.picture(seconds)

    def _open(self, film: str, version: str | None) -> None:
        file = self._stack.enter_context(storage.open_version(film, version))
        try:
            self._reader = FilmReader(*self._stack.enter_context(open_film(file)))
        except RejectedError as error:
            self._why = error

    def close(self) -> None:
        """Close the film."""
        self._stack.close()
        self._key = self._reader = self._why = None


_open_film = _OpenFilm()
_one_at_a_time = threading.Lock()
