"""Which shards a worker ended over: each try at some shards leaves a mark, and takes it back when done.

What is found marked was begun and not finished, by a worker that was killed, or over a frame that kills.
Marks are advice: lost or left over, they cost time or a failed job, never a row.

Knows marks in a run's directory; knows no frames, no rows and no Ray.
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
"""How often workers of one job may end over a shard. A frame is found out by the second."""

_MARK = re.compile(r"(?P<first>[0-9]{9})-(?P<last>[0-9]{9})-(?P<job>[0-9a-f]{32})-[0-9a-f]{32}")


@dataclass(frozen=True)
class Attempt:
    """What a worker is to do with the shards that it was given.

    Attributes
    ----------
    shards : list of int
        Those that are left to do.
    quarantined : frozenset of int
        Those of them over which a worker may have ended.
    marks : tuple of str
        What `finish_attempt` takes back when all of them are committed.
    """

    shards: list[int]
    quarantined: frozenset[int]
    marks: tuple[str, ...]


def start_attempt(run: ScoringRun, shards: Sequence[int], job: str, again: bool = False) -> Attempt:
    """Mark shards as begun.

    Parameters
    ----------
    run : ScoringRun
    shards : sequence of int
        In order, at least one.
    job : str
        The name of the job, 32 hexadecimal digits: who starts a command again may try as often as before.
    again : bool
        Whether they are committed, and done once more nevertheless.

    Raises
    ------
    JobError
        Where `MAX_ATTEMPTS` workers have ended over the first that is left.
    """
    with ThreadPoolExecutor(3) as pool:  # storage that is far away is waited for once, not three times
        put = pool.submit(_put_mark, run, shards, job)
        marks, has_first = pool.submit(_marks, run), pool.submit(run.has, shards[0])
    own = put.result()
    found = [mark for mark in marks.result() if mark.name != own and mark.overlaps(shards)]
    # Without another mark they are new, or were all done: Ray does again what was lost with a node.
    if not found and (again or not has_first.result()):
        return Attempt(list(shards), frozenset(), (own,))
    finish_attempt(run, [own])
    return _start_again(run, shards, job, again, found)


def _start_again(
    run: ScoringRun, shards: Sequence[int], job: str, again: bool, found: Sequence[_Mark]
) -> Attempt:
    names = [mark.name for mark in found]
    left = list(shards) if again else [shard for shard in shards if not run.has(shard)]
    if not left:
        finish_attempt(run, names)
        return Attempt([], frozenset(), ())
    _give_up(run, left[0], sum((mark.first, mark.job) == (left[0], job) for mark in found))
    quarantined = frozenset(shard for shard in left if any(mark.overlaps([shard]) for mark in found))
    return Attempt(left, quarantined, (*names, _put_mark(run, left, job)))


def finish_attempt(run: ScoringRun, marks: Iterable[str]) -> None:
    """Take back marks: what they stand for is committed."""
    for mark in marks:
        with suppress(StorageError):
            storage.remove_file(run.directory.path(ATTEMPTS_FOLDER, mark))


@dataclass(frozen=True)
class _Mark:
    name: str
    first: int
    last: int
    job: str

    def overlaps(self, shards: Sequence[int]) -> bool:
        return self.first <= shards[-1] and shards[0] <= self.last


def _put_mark(run: ScoringRun, shards: Sequence[int], job: str) -> str:
    name = f"{shards[0]:09d}-{shards[-1]:09d}-{job}-{uuid.uuid4().hex}"
    storage.write(run.directory.path(ATTEMPTS_FOLDER, name), b"")
    return name


def _marks(run: ScoringRun) -> list[_Mark]:
    names = storage.names_in(run.directory.path(ATTEMPTS_FOLDER))
    matches = [match for match in map(_MARK.fullmatch, names) if match]
    return [_Mark(match.string, int(match["first"]), int(match["last"]), match["job"]) for match in matches]


def _give_up(run: ScoringRun, shard: int, tries: int) -> None:
    if tries >= MAX_ATTEMPTS:
        raise JobError(
            f"{tries} workers ended over shard {shard} of {run.directory.uri}: most likely they lack memory, "
            "see Ray's logs. The same command tries again."
        )
