"""Which shards a worker ended over: each try at some shards leaves a mark, and takes it back when done.

What is found marked was begun and not finished, by a worker that was killed, or over a frame that kills.
A worker's start leaves one, too: Ray would start again without end what ends whenever it starts. Marks are advice: lost or left over, they cost time or a failed job, never a row.

Knows marks in a run's directory; knows no frames, no rows and no Ray.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flipbatch import storage
from flipbatch.errors import JobError
from flipbatch.scoring.run import ScoringRun

TRIES_FOLDER = "tries"
MOST_TRIES = 5
"""How often workers of one job may end over a shard, or one worker in its start. A frame is found out by the
second."""

_MARK = re.compile(r"(?P<first>[0-9]{9})-(?P<last>[0-9]{9})-(?P<job>[0-9a-f]{32})-[0-9a-f]{32}")


@dataclass(frozen=True)
class Try:
    """What a worker is to do with the shards that it was given.

    Attributes
    ----------
    shards : list of int
        Those that are left to do.
    suspects : frozenset of int
        Those of them over which a worker may have ended.
    """

    shards: list[int]
    suspects: frozenset[int]


@contextmanager
def one_try(run: ScoringRun, shards: Sequence[int], job: str, again: bool = False) -> Iterator[Try]:
    """Mark shards as begun, and as done when the block is left without an error.

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
        Where `MOST_TRIES` workers have ended over the first that is left.
    """
    found = [mark for mark in _marks(run) if mark.first <= shards[-1] and shards[0] <= mark.last]
    left = list(shards) if again or not found else [shard for shard in shards if not run.has(shard)]
    if not left:
        yield Try([], frozenset())
    else:
        _give_up(run, left[0], sum((mark.first, mark.job) == (left[0], job) for mark in found))
        suspects = frozenset(shard for shard in left if any(m.first <= shard <= m.last for m in found))
        found.append(_put_mark(run, left, job))
        yield Try(left, suspects)
    for mark in found:
        storage.remove(run.directory.path(TRIES_FOLDER, mark.name))


@contextmanager
def one_start(run: ScoringRun, worker: str) -> Iterator[None]:
    """Mark that a worker starts, and that it has when the block is left without an error.

    Parameters
    ----------
    run : ScoringRun
    worker : str
        The same name whenever it is started again; letters and digits.

    Raises
    ------
    JobError
        Where it has ended `MOST_TRIES` times before it had started.
    """
    found = [name for name in storage.names_in(run.directory.path(TRIES_FOLDER)) if f"-{worker}-" in name]
    if len(found) >= MOST_TRIES:
        raise _given_up(run, f"A worker ended {len(found)} times before it had loaded the models")
    found.append(f"start-{worker}-{uuid.uuid4().hex}")
    storage.write(run.directory.path(TRIES_FOLDER, found[-1]), b"")
    yield
    for name in found:
        storage.remove(run.directory.path(TRIES_FOLDER, name))


@dataclass(frozen=True)
class _Mark:
    name: str
    first: int
    last: int
    job: str


def _put_mark(run: ScoringRun, shards: Sequence[int], job: str) -> _Mark:
    name = f"{shards[0]:09d}-{shards[-1]:09d}-{job}-{uuid.uuid4().hex}"
    storage.write(run.directory.path(TRIES_FOLDER, name), b"")
    return _Mark(name, shards[0], shards[-1], job)


def _marks(run: ScoringRun) -> list[_Mark]:
    names = storage.names_in(run.directory.path(TRIES_FOLDER))
    matches = [match for match in map(_MARK.fullmatch, names) if match]
    return [_Mark(match.string, int(match["first"]), int(match["last"]), match["job"]) for match in matches]


def _give_up(run: ScoringRun, shard: int, tries: int) -> None:
    if tries >= MOST_TRIES:
        raise _given_up(run, f"{tries} workers ended over shard {shard} of {run.directory.uri}")


def _given_up(run: ScoringRun, why: str) -> JobError:
    return JobError(
        f"{why}: most likely they lack memory, see Ray's logs. To try again, remove "
        f"{run.directory.path(TRIES_FOLDER)} and repeat the command."
    )
