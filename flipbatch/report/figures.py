"""What a report shows of a run's tables: counts, and the first few rows of each ranking.

Knows a run's tables; knows no markup and no opinion. Tables are read batch by batch, and what is kept
does not grow with the number of frames and videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.report.terminal import error_rate
from flipbatch.report.warnings import Json
from flipbatch.runtime.run_directory import RUN_FILE
from flipbatch.schema import VIDEOS, Label, Status
from flipbatch.scoring.run import ScoringRun

BINS = 20
TOP_VIDEOS = 20
FIRST_ERRORS = 20

ROWS_AT_ONCE = 65_536
"""Rows of a table in memory at a time."""

LABELS = (str(Label.FLIP), str(Label.NOTFLIP), "no label")
"""The rows of a histogram."""


@dataclass(frozen=True)
class FrameError:
    """A frame that has no probability, and why.

    Attributes
    ----------
    uri, status, error : str
    """

    uri: str
    status: str
    error: str


@dataclass(frozen=True)
class VideoFigures:
    """What the videos of one model add up to.

    Attributes
    ----------
    videos, wrong_videos, flip_videos : int
        All; those with a wrong frame; those called ``flip`` as a whole.
    flip_frames : int
        Frames called ``flip``.
    top : tuple of dict
        At most `TOP_VIDEOS` rows, `schema.VIDEOS`: most wrong frames first; where nothing is labelled, most
        frames called ``flip`` first.
    """

    videos: int = 0
    wrong_videos: int = 0
    flip_videos: int = 0
    flip_frames: int = 0
    top: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Report:
    """All that the page says.

    Attributes
    ----------
    run : mapping
        What ``run.json`` says.
    metrics : mapping
        What ``metrics.json`` says.
    records : mapping of str to mapping
        Name to card of each model's bundle.
    histograms : mapping of str to ndarray
        Name to frames per label and probability of each model: int64 [3, BINS], rows as `LABELS`.
    videos : mapping of str to VideoFigures
        By model.
    errors : tuple of FrameError
        The first of them, in the order of the manifest.
    """

    run: Json
    metrics: Json
    records: Mapping[str, Json]
    histograms: Mapping[str, NDArray[np.int64]]
    videos: Mapping[str, VideoFigures]
    errors: tuple[FrameError, ...]


def gather(run: ScoringRun, metrics: Json, records: Mapping[str, Json]) -> Report:
    """Read what the page says, in memory that doesn't grow with the run.

    Parameters
    ----------
    run : ScoringRun
    metrics : mapping
        What ``metrics.json`` says.
    records : mapping of str to mapping
        Name of each model to the card of its bundle.

    Raises
    ------
    StorageError
        Where a table can't be read.
    """
    return Report(
        run=run.directory.read_json(RUN_FILE),
        metrics=metrics,
        records=records,
        histograms={name: _histogram(run, name) for name in run.models},
        videos=_video_figures(run, by_wrong_frames=metrics["frames"]["labelled"] > 0),
        errors=_first_errors(run) if error_rate(metrics) else (),
    )


def _histogram(run: ScoringRun, name: str) -> NDArray[np.int64]:
    """Count one model's frames by label and probability: int64 [3, BINS]."""
    counts = np.zeros(len(LABELS) * BINS, dtype=np.int64)
    for rows in _batches(_predictions(run, name), ["label", "flip_probability"]):
        scored = rows.filter(rows["flip_probability"].is_valid())
        probability = scored["flip_probability"].to_numpy().astype(np.float64)
        bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
        counts += np.bincount(_label_codes(scored["label"]) * BINS + bins, minlength=len(counts))
    return counts.reshape(len(LABELS), BINS)


def _label_codes(labels: pa.ChunkedArray) -> NDArray[np.int64]:
    """Where each label is in `LABELS`."""
    known = pa.array(LABELS[:-1])
    codes = pc.index_in(labels, value_set=known)  # pyright: ignore[reportAttributeAccessIssue]
    return pc.fill_null(codes, len(known)).to_numpy().astype(np.int64)


def _video_figures(run: ScoringRun, *, by_wrong_frames: bool) -> dict[str, VideoFigures]:
    tallies = {name: _VideoTally(by_wrong_frames) for name in run.models}
    for rows in _batches(run.directory.path("videos"), VIDEOS.names):
        for name, tally in tallies.items():
            tally.add(rows.filter(_equals(rows["model"], name)))
    return {name: tally.figures() for name, tally in tallies.items()}


class _VideoTally:
    """Sums over videos, and the first of their ranking."""

    def __init__(self, by_wrong_frames: bool) -> None:
        self._by_wrong_frames = by_wrong_frames
        self._top = VIDEOS.empty_table().append_column("rank", pa.array([], pa.int64()))
        self._sums = np.zeros(4, dtype=np.int64)

    def add(self, rows: pa.Table) -> None:
        wrong = rows["fp"].to_numpy() + rows["fn"].to_numpy()
        flip_frames = rows["predicted_flip_frames"].to_numpy()
        flips = np.count_nonzero(_equals(rows["prediction"], Label.FLIP).to_numpy())
        self._sums += [rows.num_rows, np.count_nonzero(wrong), flips, flip_frames.sum()]
        rank = wrong if self._by_wrong_frames else flip_frames
        self._keep(rows.append_column("rank", pa.array(rank, pa.int64())).filter(pa.array(rank > 0)))

    def _keep(self, rows: pa.Table) -> None:
        ranked = pa.concat_tables([self._top, rows.cast(self._top.schema)])
        ranked = ranked.sort_by([("rank", "descending"), ("video_id", "ascending")])
        self._top = ranked.slice(0, TOP_VIDEOS)

    def figures(self) -> VideoFigures:
        return VideoFigures(*self._sums.tolist(), top=tuple(self._top.select(VIDEOS.names).to_pylist()))


def _first_errors(run: ScoringRun) -> tuple[FrameError, ...]:
    """The same frames fail for every model: read those of one."""
    found: list[FrameError] = []
    for rows in _batches(_predictions(run, next(iter(run.models))), ["uri", "status", "error"]):
        failed = rows.filter(pc.invert(_equals(rows["status"], Status.OK)))  # pyright: ignore[reportAttributeAccessIssue]
        found += [FrameError(**row) for row in failed.slice(0, FIRST_ERRORS - len(found)).to_pylist()]
        if len(found) == FIRST_ERRORS:
            break
    return tuple(found)


def _equals(column: pa.ChunkedArray, word: str) -> pa.ChunkedArray:
    equal = pc.equal(column, str(word))  # pyright: ignore[reportAttributeAccessIssue]
    return pc.fill_null(equal, False)


def _predictions(run: ScoringRun, name: str) -> str:
    return run.directory.path("predictions", f"model={name}")


def _batches(folder: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read the Parquet files of a folder in order, at most `ROWS_AT_ONCE` rows at a time."""
    for name in storage.names_in(folder):
        if name.endswith(".parquet"):
            yield from _batches_of(storage.join(folder, name), columns)


def _batches_of(uri: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    try:
        with _opened(uri) as file:
            # Buffered ahead, what was read of every row group is kept until the last.
            table = pq.ParquetFile(file, pre_buffer=False)
            for batch in table.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
                yield pa.Table.from_batches([batch])
    except Exception as error:
        raise StorageError(f"Can't read the table {uri}: {storage.reason(error)}.") from error


def _opened(uri: str) -> AbstractContextManager[Any]:
    if storage.is_local(uri):
        return nullcontext(uri)
    filesystem, path = storage.filesystem(uri)
    # Parquet asks for whole column chunks: a cache that reads ahead would fetch the columns between them.
    return filesystem.open(path, "rb", cache_type="none")
