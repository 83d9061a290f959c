"""Films become rows of a manifest, one per frame.

Several films are indexed side by side; the order of the rows does not depend on which is ready first. A film
that can't be opened, or is cut short, has a row more, which becomes a frame that can't be decoded. Knows
indexes and rows. Decodes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames.film_uris import FRAME_MARK, FilmFrame, film_frame
from flipbatch.frames.film_versions import version_or_now, versions_of_now
from flipbatch.frames.names import default_group
from flipbatch.frames.row_batches import ROWS_PER_BATCH, NamedFilm, Rows, readings
from flipbatch.frames.unread import unread
from flipbatch.schema import FILM_FACTS, MANIFEST, MISNAMED

if TYPE_CHECKING:
    from flipbatch.frames.film_index import FilmIndex

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none

FILMS_IN_FLIGHT = 8

_ROUNDING, _LARGEST_SHARE = 0.001, 0.25
"""So many seconds before an interval, but at most such a share of it, a frame counts as its first one.
Matroska and WebM round times to milliseconds: those of 30 frames/s are 0.033, 0.067 and 0.100 s."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Thinning:
    """Which frames of a film are read.

    Attributes
    ----------
    every : int or None
        Frames 0, N, 2 N and so on, N at least 1.
    per_second : float or None
        The first frame of each 1/X of a second, as far as rounded times tell; above 0.
    """

    every: int | None = None
    per_second: float | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.per_second is not None:
            raise InputError("Both --every and --fps were given: give one of them.")

    def to_json(self) -> dict[str, float]:
        """Return what differs from reading all frames."""
        return {key: value for key, value in {"every": self.every, "fps": self.per_second}.items() if value}

    def chosen(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the numbers of the frames that are read; `seconds` are the times of all."""
        if self.every is not None:
            return np.arange(0, len(seconds), self.every)
        if self.per_second is not None and len(seconds):
            early = min(_ROUNDING * self.per_second, _LARGEST_SHARE)
            ticks = np.floor((seconds - seconds[0]) * self.per_second + early + 1e-6)
            return np.flatnonzero(np.diff(ticks, prepend=-1))
        return np.arange(len(seconds))


ALL_FRAMES = Thinning()


def with_films(rows: Iterable[Rows], thinning: Thinning) -> Iterator[Rows]:
    """Pass rows on; films among them become rows of their frames.

    Raises
    ------
    StorageError
        If a film that was listed can't be read.
    """
    with ThreadPoolExecutor(FILMS_IN_FLIGHT, thread_name_prefix="film") as pool:
        for some in rows:
            yield replace(some, frames=_with_facts(some.frames), films=())
            for film, index in _ahead(pool, _index, some.films):
                yield from _rows_of_film(film, index, thinning)


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[NamedFilm], Result], films: Iterable[NamedFilm]
) -> Iterator[tuple[NamedFilm, Result]]:
    """Yield each film with the function's result, in order; some are worked on ahead."""
    remaining = ((film, pool.submit(function, film)) for film in films)
    pending = deque(islice(remaining, FILMS_IN_FLIGHT))
    while pending:
        film, future = pending.popleft()
        pending.extend(islice(remaining, 1))
        yield film, future.result()


def _index(film: NamedFilm) -> FilmIndex:
    from flipbatch.frames.film_index import film_index, no_film  # FFmpeg takes a while to load

    file, _ = film
    try:
        return film_index(file.uri, version_or_now(file.uri, file.version))
    except FileNotFoundError as error:
        if file.version is None:  # a table names it: a row says that it is missing, as of images
            return no_film(unread(error))
        raise StorageError(f"The film {file.uri} was removed while it was read: start again.") from error
    except OSError as error:
        raise StorageError(f"The film {file.uri} can't be read: {storage.reason(error)}") from error


# ---------------------------------------------------------------------------------------- films


def _rows_of_film(film: NamedFilm, index: FilmIndex, thinning: Thinning) -> Iterator[Rows]:
    numbers = thinning.chosen(index.seconds)
    if index.complaint is not None:
        numbers = np.append(numbers, index.frames)
    for start in range(0, len(numbers), ROWS_PER_BATCH):
        yield _batch(film, index, numbers[start : start + ROWS_PER_BATCH])


def _batch(film: NamedFilm, index: FilmIndex, numbers: NDArray[np.int64]) -> Rows:
    file, name = film
    count = len(numbers)
    repeated = {
        "video_id": name.video_id,
        "label": name.label,
        "split": name.split,
        "version": file.version,
        "group": name.group or default_group(name.video_id),
    }
    columns = {key: pa.array([value] * count, pa.string()) for key, value in repeated.items()}
    columns["frame_number"] = pa.array(numbers, pa.int64())
    columns["uri"] = pa.array([FilmFrame(file.uri, number).uri for number in numbers.tolist()], pa.string())
    columns |= dict(zip(FILM_FACTS, _facts(index, numbers), strict=True))
    batch = pa.record_batch([columns[column] for column in MANIFEST.names], schema=MANIFEST)
    return Rows(batch, pa.RecordBatch.from_pylist([], MISNAMED), readings([name] * count))


def _facts(index: FilmIndex, numbers: NDArray[np.int64]) -> tuple[pa.Array, pa.Array]:
    """Return `schema.FILM_FACTS` of frames; null for numbers that the film does not have."""
    none = numbers >= index.frames
    seconds, keys = np.append(index.seconds, 0.0), np.append(index.key_frames, False)
    places = np.minimum(numbers, index.frames)
    return pa.array(seconds[places], mask=none), pa.array(keys[places], mask=none)


# ---------------------------------------------------------------------------------------- frames of a table


def _with_facts(frames: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of a table with the facts of those that are frames of films."""
    rows = pc.indices_nonzero(pc.match_substring(frames.column("uri"), FRAME_MARK))
    named = zip(rows.to_pylist(), frames.column("uri").take(rows).to_pylist(), strict=True)
    known = versions_of_now()
    of_films = [(row, known(frame)) for row, uri in named if (frame := film_frame(uri))]
    if not of_films:
        return frames
    of_films.sort(key=lambda one: one[1].film)  # however a table is sorted, a film is read once for its rows
    columns = {name: frames.column(name) for name in frames.schema.names}
    facts = [_fact(frame) for _, frame in of_films]
    for fact, values in zip(FILM_FACTS, zip(*facts, strict=True), strict=True):
        column: list[Any] = [None] * frames.num_rows
        for (row, _), value in zip(of_films, values, strict=True):
            column[row] = value
        columns[fact] = pa.array(column, MANIFEST.field(fact).type)
    return pa.record_batch(list(columns.values()), schema=MANIFEST)


def _fact(frame: FilmFrame) -> tuple[float | None, bool | None]:
    from flipbatch.frames.film_index import film_index  # FFmpeg takes a while to load

    try:
        index = film_index(frame.film, frame.version)
    except OSError:
        return None, None  # scoring says what is wrong
    if frame.number >= index.frames:
        return None, None
    return float(index.seconds[frame.number]), bool(index.key_frames[frame.number])
