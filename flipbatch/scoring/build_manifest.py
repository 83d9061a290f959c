"""Frames become the manifest of a run, in memory that does not grow with them.

Knows where manifests lie in a run's folder: each in one that is named by its content, so that two commands
which start at once over files that change never mix theirs. Knows no run and no models, and imports
nothing that does: it works in a process of its own, which stays small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flipbatch import storage
from flipbatch.frames.external_sort import ExternalSort
from flipbatch.frames.groups import GroupCheck
from flipbatch.frames.manifest import Rows, manifest_rows, no_frames, source
from flipbatch.frames.manifest_fingerprint import ManifestFingerprint
from flipbatch.runtime.subprocess_worker import SubprocessFuture, run_in_subprocess
from flipbatch.schema import MANIFEST, MISNAMED, MISNAMED_ORDER, ORDER
from flipbatch.scoring.shards import Plan, cut_manifest, plan_of, video_starts, write_parts
from flipbatch.storage.parquet import write_batches

MANIFEST_FOLDER = "manifest"
MISNAMED_FILE = "misnamed.parquet"


@dataclass(frozen=True)
class BuiltManifest:
    """What is known of a run's manifest.

    Attributes
    ----------
    fingerprint : str
    frames, videos, misnamed : int
        Their numbers.
    labels : dict of (str or None) to int
        Frames of each label.
    plan : Plan
        How it was cut.
    folder : str
        Where it lies, below the run's.
    """

    fingerprint: str
    frames: int
    videos: int
    misnamed: int
    labels: dict[str | None, int]
    plan: Plan
    folder: str


def building_manifest(
    frames_uri: str | None, manifest_uri: str | None, limit: int | None, folder: str | None
) -> AbstractContextManager[SubprocessFuture[BuiltManifest]]:
    """Begin to build a manifest in a process of its own; its result is that of `build_manifest`."""
    return run_in_subprocess("lists the frames", build_manifest, frames_uri, manifest_uri, limit, folder)


def build_manifest(
    frames_uri: str | None, manifest_uri: str | None, limit: int | None, folder: str | None, scratch: Path
) -> BuiltManifest:
    """List or read frames, sort them, cut them into shards and write them.

    Parameters
    ----------
    frames_uri, manifest_uri : str or None
        One of the two, as a command was given them.
    limit : int or None
        Keep the first so many frames only.
    folder : str or None
        The run's, or None where nothing is to be written.
    scratch : Path
        A local folder for rows that are being sorted. Whoever made it removes it.

    Raises
    ------
    InputError, StorageError
    """
    rows = manifest_rows(frames_uri, manifest_uri)
    return build_from(rows, source(frames_uri, manifest_uri), limit, folder, scratch)


def build_from(
    rows: Iterable[Rows], source_uri: str, limit: int | None, folder: str | None, scratch: Path
) -> BuiltManifest:
    """Do as `build_manifest` does, with rows that come from `source_uri`."""
    frames, misnamed = _sort(rows, scratch)
    if not frames.rows:
        raise no_frames(source_uri, misnamed.rows, next(misnamed.sorted(), None))
    count = frames.rows if limit is None else min(limit, frames.rows)
    # Read twice: each file carries the fingerprint of all rows.
    tally = _tally(_first(count, frames.sorted()))
    groups = cut_manifest(_first(count, frames.sorted()), count)
    own_folder = f"{MANIFEST_FOLDER}/{tally.fingerprint[:16]}-{_digest(misnamed)[:16]}"
    if folder is not None:
        metadata, whole = {"flipbatch.manifest": tally.fingerprint}, storage.join(folder, own_folder)
        write_batches(misnamed.sorted(), MISNAMED, storage.join(whole, MISNAMED_FILE), metadata)
        groups = write_parts(groups, whole, metadata)
    plan = plan_of(groups)
    labels = dict(tally.labels)
    return BuiltManifest(tally.fingerprint, count, tally.videos, misnamed.rows, labels, plan, own_folder)


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


def _first(count: int, frames: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while count > 0:
        rows = next(frames).slice(0, count)
        count -= rows.num_rows
        yield rows


@dataclass(frozen=True)
class _Tally:
    fingerprint: str
    videos: int
    labels: Counter[str | None]


def _tally(frames: Iterator[pa.RecordBatch]) -> _Tally:
    """Check the groups of sorted rows, count them, and take their fingerprint."""
    digest, videos, video, labels = ManifestFingerprint(), 0, None, Counter[str | None]()
    groups = GroupCheck()
    for rows in frames:
        groups.add(rows)
        digest.add(rows)
        videos += len(video_starts(rows, video))
        video = rows.column("video_id")[-1].as_py()
        labels.update(rows.column("label").to_pylist())
    return _Tally(digest.hexdigest(), videos, labels)
