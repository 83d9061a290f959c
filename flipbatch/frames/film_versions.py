"""Remote films get the version that they have now, where none is known.

A process keeps the film that it read last open, and the indexes of some; it knows them by their version. Of a
local file, a look at it is as good (`storage.local_state`). Knows storage and URIs of frames; opens no film.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from flipbatch import storage
from flipbatch.frames.film_uris import FilmFrame


def version_or_now(film: str, version: str | None) -> str | None:
    """Return the version of a film, or the one that it has now, if it is remote and there is none."""
    return storage.version_now(film) if version is None and not storage.is_local(film) else version


def versions_of_now() -> Callable[[FilmFrame], FilmFrame]:
    """Return a function that gives frames `version_or_now`; it looks at each film once."""
    known = cache(version_or_now)
    return lambda frame: frame._replace(version=known(frame.film, frame.version))
