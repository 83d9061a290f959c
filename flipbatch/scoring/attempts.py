"""Attempt markers: which shards a worker was scoring when it ended.

A worker writes a marker before it starts a chunk of shards. The marker is deleted after the last commit of
the chunk. A marker that is still there belongs to a worker that is at work, was killed, or read a frame that
ends its process. Markers are hints: a lost or left-over marker costs time or fails a job, but never loses a
row.

Knows markers in a run's directory. Does not know frames, rows or Ray.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from flipbatch import storage
from flipbatch.errors import JobError, StorageError
from flipbatch.scoring.run import ScoringRun

ATTEMPTS_FOLDER = "attempts"
MAX_ATTEMPTS = 5
"""How many workers of one job may end on one shard. The second attempt finds a frame that ends processes."""

_DELETIONS_AT_ONCE = 8

_MARKER = re.compile(r"(?P<first>[0-9]{9})-(?P<last>[0-9]{9})-(?P<job>[0-9a-f]{32})-[0-9a-f]{32}")


@dataclass(frozen=True)
class Attempt:
    """What a worker does with a chunk of shards.

    Attributes
    ----------
    shards : list of int
        The shards that are not committed yet, in order.
    quarantined : frozenset of int
        Those of them on which a worker may have ended.
    markers : tuple of str
        The markers to delete after the last commit.
    """

    shards: list[int]
    quarantined: frozenset[int]
    markers: tuple[str, ...]


def new_job() -> str:
    """Return a name for a job: 32 hexadecimal digits. Attempts are counted by job."""
    return uuid.uuid4().hex


def start_attempt(run: ScoringRun, shards: Sequence[int], job: str, retry: bool = False) -> Attempt:
    """Write a marker for a chunk of shards.

    Parameters
    ----------
    run : ScoringRun
    shards : sequence of int
        In order, at least one.
    job : str
        Of `new_job`. A command that is started again has all its attempts again.
    retry : bool
        Whether the shards are committed and are scored nevertheless.

    Raises
    ------
    JobError
        If `MAX_ATTEMPTS` workers of this job have ended on the first shard that is left.
    """
    with ThreadPoolExecutor(3) as pool:  # three requests to remote storage take the time of one
        written = pool.submit(_write_marker, run, shards, job)
        listed, has_first = pool.submit(_markers, run), pool.submit(run.has, shards[0])
    own = written.result()
    others = [marker for marker in listed.result() if marker.name != own and marker.overlaps(shards)]
    # Ray repeats a chunk whose results were lost with a node: it has no other marker and is committed.
    if not others and (retry or not has_first.result()):
        return Attempt(list(shards), frozenset(), (own,))
    _delete_markers(run, [own])
    return _repeat_attempt(run, shards, job, retry, others)


def _repeat_attempt(
    run: ScoringRun, shards: Sequence[int], job: str, retry: bool, others: Sequence[_Marker]
) -> Attempt:
    names = [marker.name for marker in others]
    left = list(shards) if retry else [shard for shard in shards if not run.has(shard)]
    if not left:
        _delete_markers(run, names)
        return Attempt([], frozenset(), ())
    _limit_attempts(run, left[0], sum((marker.first, marker.job) == (left[0], job) for marker in others))
    quarantined = frozenset(shard for shard in left if any(marker.overlaps([shard]) for marker in others))
    return Attempt(left, quarantined, (*names, _write_marker(run, left, job)))


def finish_attempt(run: ScoringRun, attempt: Attempt) -> None:
    """Delete the markers of an attempt whose shards are committed."""
    _delete_markers(run, attempt.markers)


class OpenAttempts:
    """Deletes the markers of attempts whose commits arrive one by one, in any order.

    Use it as a context manager: its end waits for the deletions.
    """

    def __init__(self, run: ScoringRun) -> None:
        self._run = run
        self._left: dict[tuple[str, ...], set[int]] = {}
        self._pool = ThreadPoolExecutor(_DELETIONS_AT_ONCE, thread_name_prefix="markers")

    def __enter__(self) -> OpenAttempts:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def committed(self, attempt: Attempt, shard: int) -> None:
        """Count a commit; after the last one of its attempt, delete the markers."""
        left = self._left.setdefault(attempt.markers, set(attempt.shards))
        left.discard(shard)
        if not left:
            del self._left[attempt.markers]
            self._pool.submit(finish_attempt, self._run, attempt)


@dataclass(frozen=True)
class _Marker:
    name: str
    first: int
    last: int
    job: str

    def overlaps(self, shards: Sequence[int]) -> bool:
        return self.first <= shards[-1] and shards[0] <= self.last


def _write_marker(run: ScoringRun, shards: Sequence[int], job: str) -> str:
    name = f"{shards[0]:09d}-{shards[-1]:09d}-{job}-{uuid.uuid4().hex}"
    storage.write(run.directory.path(ATTEMPTS_FOLDER, name), b"")
    return name


def _delete_markers(run: ScoringRun, markers: Iterable[str]) -> None:
    for marker in markers:
        with suppress(StorageError):
            storage.remove_file(run.directory.path(ATTEMPTS_FOLDER, marker))


def _markers(run: ScoringRun) -> list[_Marker]:
    names = storage.names_in(run.directory.path(ATTEMPTS_FOLDER))
    matches = [match for match in map(_MARKER.fullmatch, names) if match]
    return [_Marker(match.string, int(match["first"]), int(match["last"]), match["job"]) for match in matches]


def _limit_attempts(run: ScoringRun, shard: int, attempts: int) -> None:
    if attempts >= MAX_ATTEMPTS:
        raise JobError(
            f"{attempts} workers ended while they scored shard {shard} of {run.directory.uri}. They probably "
            "ran out of memory (see Ray's logs). Run the same command to try again."
        )
