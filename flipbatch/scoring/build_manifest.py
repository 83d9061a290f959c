"""Frames become the manifest of a run, in memory that does not grow with their number.

Knows the manifest's folder in a run's directory. The folder's name depends on its content, so that two
commands that start at once, over files that change, never mix their manifests. Does not know runs or models,
and imports neither Ray nor torch: it can work in a small subprocess.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from flipbatch import storage
from flipbatch.frames.external_sort import ExternalSort
from flipbatch.frames.film_rows import ALL_FRAMES, Thinning
from flipbatch.frames.manifest import Rows, manifest_rows, no_frames, note_misnamed, source
from flipbatch.frames.manifest_fingerprint import ManifestFingerprint
from flipbatch.frames.notes import EXAMPLES, Notes
from flipbatch.frames.sorted_rows import SortedRowsCheck
from flipbatch.runtime.subprocess_worker import run_in_subprocess
from flipbatch.schema import MANIFEST, MISNAMED, MISNAMED_ORDER, ORDER, SCHEMA_VERSION
from flipbatch.scoring.manifest_parts import write_parts
from flipbatch.scoring.shards import Plan, cut_manifest, plan_of, video_starts
from flipbatch.storage.parquet import write_batches

MANIFEST_FOLDER = "manifest"
MISNAMED_FILE = "misnamed.parquet"
ROWS_OF_SAMPLE = 1024


@dataclass(frozen=True)
class BuiltManifest:
    """Facts of a run's manifest.

    Attributes
    ----------
    manifest_fingerprint : str
        SHA-256 of the rows, 64 hexadecimal digits.
    frames, videos, misnamed : int
        Their numbers.
    labels : dict of (str or None) to int
        Frames of each label.
    plan : Plan
        How it is divided into shards.
    folder : str
        Its folder, relative to the run's directory.
    notes : tuple of str
        What users should know about it, a sentence each.
    sample : pyarrow.Table
        Its first rows, `schema.MANIFEST`, at most `ROWS_OF_SAMPLE`.
    """

    manifest_fingerprint: str
    frames: int
    videos: int
    misnamed: int
    labels: dict[str | None, int]
    plan: Plan
    folder: str
    notes: tuple[str, ...]
    sample: pa.Table

    @property
    def labelled(self) -> int:
        """The number of frames with a label."""
        return self.frames - self.labels.get(None, 0)


Building = Callable[[], BuiltManifest]
"""Waits for a manifest and returns it, or raises what `build_manifest` raises."""


@contextmanager
def building_in_subprocess(
    frames_uri: str | None,
    manifest_uri: str | None,
    limit: int | None,
    folder: str | None,
    thinning: Thinning = ALL_FRAMES,
) -> Iterator[Building]:
    """Start to build a manifest in a subprocess, while the caller does something else."""
    arguments = (frames_uri, manifest_uri, limit, folder)
    build = partial(build_manifest, thinning=thinning)
    with run_in_subprocess("lists the frames", build, *arguments) as future:
        yield future.result


@contextmanager
def building_here(
    frames_uri: str | None,
    manifest_uri: str | None,
    limit: int | None,
    folder: str | None,
    thinning: Thinning = ALL_FRAMES,
) -> Iterator[Building]:
    """Build a manifest in this process, when it is asked for."""
    with tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch:
        yield lambda: build_manifest(frames_uri, manifest_uri, limit, folder, Path(scratch), thinning)


def build_manifest(
    frames_uri: str | None,
    manifest_uri: str | None,
    limit: int | None,
    folder: str | None,
    scratch: Path,
    thinning: Thinning = ALL_FRAMES,
) -> BuiltManifest:
    """List or read frames, sort them, divide them into shards and write them.

    Parameters
    ----------
    frames_uri, manifest_uri : str or None
        One of the two, as passed to the command.
    limit : int or None
        Keep the first `limit` frames only.
    folder : str or None
        The run's directory; None writes nothing.
    scratch : Path
        A local folder for rows that are being sorted. The caller removes it.
    thinning : Thinning
        Which frames of films are read.

    Raises
    ------
    InputError, StorageError
    """
    notes = Notes()
    rows = manifest_rows(frames_uri, manifest_uri, notes, thinning)
    return build_from(rows, notes, source(frames_uri, manifest_uri), limit, folder, scratch)


def build_from(
    rows: Iterable[Rows],
    notes: Notes,
    source_uri: str,
    limit: int | None,
    folder: str | None,
    scratch: Path,
) -> BuiltManifest:
    """Build a manifest of rows that come from `source_uri` with notes; else as `build_manifest`."""
    frames, misnamed = _sort(rows, scratch)
    some = _first(min(EXAMPLES + 1, misnamed.rows), misnamed.sorted())
    first_misnamed = pa.Table.from_batches(some, MISNAMED)
    if not frames.rows:
        raise no_frames(source_uri, notes, misnamed.rows, first_misnamed)
    note_misnamed(notes, source_uri, misnamed.rows, first_misnamed)
    count = frames.rows if limit is None else min(limit, frames.rows)
    # Read twice: the metadata of each file has the fingerprint of all rows.
    tally = _tally(_first(count, frames.sorted()), notes, source_uri)
    groups = cut_manifest(_first(count, frames.sorted()), count)
    own_folder = f"{MANIFEST_FOLDER}/{tally.fingerprint[:16]}-{_digest(misnamed)[:16]}"
    if folder is not None:
        metadata, whole = _metadata(tally.fingerprint), storage.join(folder, own_folder)
        write_batches(misnamed.sorted(), MISNAMED, storage.join(whole, MISNAMED_FILE), metadata)
        groups = write_parts(groups, whole, metadata)
    plan = plan_of(groups)
    labels = dict(tally.labels)
    return BuiltManifest(
        tally.fingerprint,
        count,
        tally.videos,
        misnamed.rows,
        labels,
        plan,
        own_folder,
        tuple(notes.lines()),
        pa.Table.from_batches(_first(min(ROWS_OF_SAMPLE, count), frames.sorted()), MANIFEST),
    )


def _metadata(fingerprint: str) -> dict[str, str]:
    return {"flipbatch.manifest": fingerprint, "flipbatch.schema_version": str(SCHEMA_VERSION)}


def _digest(misnamed: ExternalSort) -> str:
    digest = ManifestFingerprint(MISNAMED)
    for rows in misnamed.sorted():
        digest.add(rows)
    return digest.hexdigest()


def _sort(rows: Iterable[Rows], scratch: Path) -> tuple[ExternalSort, ExternalSort]:
    frames = ExternalSort(MANIFEST, ORDER, scratch / "frames")
    misnamed = ExternalSort(MISNAMED, MISNAMED_ORDER, scratch / "misnamed")
    for some in rows:
        frames.add(some.frames)
        misnamed.add(some.misnamed)
    return frames, misnamed


def _first(count: int, sorted_rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while count > 0:
        rows = next(sorted_rows).slice(0, count)
        count -= rows.num_rows
        yield rows


@dataclass(frozen=True)
class _Tally:
    fingerprint: str
    videos: int
    labels: Counter[str | None]


def _tally(frames: Iterator[pa.RecordBatch], notes: Notes, source_uri: str) -> _Tally:
    """Check sorted rows, count them, and compute their fingerprint."""
    digest, videos, video, labels = ManifestFingerprint(), 0, None, Counter[str | None]()
    check = SortedRowsCheck(notes, source_uri)
    for rows in frames:
        check.add(rows)
        digest.add(rows)
        videos += len(video_starts(rows, video))
        video = rows.column("video_id")[-1].as_py()
        labels.update(rows.column("label").to_pylist())
    return _Tally(digest.hexdigest(), videos, labels)
