"""The URI of a frame of a film: that of the film, and ``#frame=N``.

Knows names only; opens no file.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FILM_EXTENSIONS = frozenset({"mp4", "m4v", "mov", "webm", "mkv"})
"""Of films. The container is told by the first bytes, not by the extension."""

FRAME_MARK = "#frame="

_FRAME = re.compile(
    rf"(?P<film>.+\.(?:{'|'.join(FILM_EXTENSIONS)})){FRAME_MARK}(?P<number>[0-9]{{1,18}})", re.I | re.S
)


class FilmFrame(NamedTuple):
    """A frame of a film.

    Attributes
    ----------
    film : str
        URI of the film.
    number : int
        Index of the frame in the order in which frames are shown, from 0.
    version : str or None
        The film must still be of this version, from `storage.listing`.
    seconds : float or None
        When the frame is shown; None if it is not known yet.
    """

    film: str
    number: int
    version: str | None = None
    seconds: float | None = None

    @property
    def uri(self) -> str:
        """The URI of the frame."""
        return f"{self.film}{FRAME_MARK}{self.number}"


def film_frame(uri: str, version: str | None = None, seconds: float | None = None) -> FilmFrame | None:
    """Return the frame of a film that a URI names; None if it names another file."""
    match = _FRAME.fullmatch(uri) if FRAME_MARK in uri else None
    return FilmFrame(match["film"], int(match["number"]), version, seconds) if match else None


def is_film(name: str) -> bool:
    """Return whether the name of a file ends as that of a film does."""
    _, dot, extension = name.rpartition(".")
    return bool(dot) and extension.lower() in FILM_EXTENSIONS
