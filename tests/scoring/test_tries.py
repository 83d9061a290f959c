"""Facts about `flipbatch.scoring.tries`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from flipbatch import storage
from flipbatch.errors import JobError
from flipbatch.scoring.tries import MOST_TRIES, TRIES_FOLDER, one_start, one_try
from tests.scoring.conftest import manifest_of

JOB, OTHER_JOB = "1" * 32, "2" * 32


@pytest.fixture
def run(begin_at):
    """A run whose shards 0 to 9 need not exist."""
    return begin_at(manifest_of([("v", 1, "/f/v_1.jpg", None)]))


def marks(run):
    return storage.names_in(run.directory.path(TRIES_FOLDER))


def commit(run, *shards):
    for shard in shards:
        storage.write(run.shard_path(shard), b"")


class KilledError(Exception):
    """Stands for the end of a worker."""


def die(run, shards, job=JOB, committing=()):
    """Try some shards, and end over them."""
    with suppress(KilledError), one_try(run, shards, job):
        commit(run, *committing)
        raise KilledError


def test_a_try_leaves_a_mark_until_it_is_done(run):
    with one_try(run, [0, 1, 2], JOB) as this:
        assert len(marks(run)) == 1
        assert (this.shards, this.suspects) == ([0, 1, 2], frozenset())
    assert marks(run) == []


def test_the_next_try_does_what_is_left_and_knows_what_is_suspect(run):
    die(run, [0, 1, 2, 3], committing=[0, 1])
    with one_try(run, [0, 1, 2, 3], JOB) as this:
        assert (this.shards, this.suspects) == ([2, 3], {2, 3})
    assert marks(run) == []


def test_another_job_that_cuts_otherwise_knows_it_too(run):
    die(run, [2, 3, 4])
    with one_try(run, [0, 1, 2, 3], OTHER_JOB) as this:
        assert (this.shards, this.suspects) == ([0, 1, 2, 3], {2, 3})
    with one_try(run, [4, 5], OTHER_JOB) as this:
        assert this.suspects == frozenset()


def test_what_others_are_at_is_not_suspect(run):
    with one_try(run, [0, 1], JOB), one_try(run, [2, 3], JOB) as this:
        assert this.suspects == frozenset()
        assert len(marks(run)) == 2


def test_where_nothing_is_left_marks_are_taken_back(run):
    die(run, [0, 1], committing=[0, 1])
    with one_try(run, [0, 1], JOB) as this:
        assert this.shards == []
    assert marks(run) == []


def test_shards_that_are_done_again_are_not_left_out(run):
    commit(run, 0, 1)
    die(run, [0, 1])
    with one_try(run, [0, 1], JOB, again=True) as this:
        assert this.shards == [0, 1]


def test_workers_that_end_again_and_again_are_one_sentence(run):
    for _ in range(MOST_TRIES):
        die(run, [0, 1])
    with (
        pytest.raises(JobError, match=r"5 workers ended over shard 0 of .*lack memory"),
        one_try(run, [0], JOB),
    ):
        pass


def test_who_gets_further_may_go_on(run):
    for shard in range(MOST_TRIES + 1):
        die(run, list(range(10)), committing=[shard])
    with one_try(run, list(range(10)), JOB) as this:
        assert this.shards == list(range(MOST_TRIES + 1, 10))


def test_who_starts_the_command_again_may_try_as_often(run):
    for _ in range(MOST_TRIES):
        die(run, [0, 1])
    with one_try(run, [0, 1], OTHER_JOB) as this:
        assert this.suspects == {0, 1}


def test_a_stranger_in_the_folder_does_no_harm(run):
    storage.write(run.directory.path(TRIES_FOLDER, "notes.txt"), b"")
    with one_try(run, [0], JOB) as this:
        assert this.suspects == frozenset()
    assert Path(run.directory.path(TRIES_FOLDER, "notes.txt")).exists()


def die_starting(run, worker):
    with suppress(KilledError), one_start(run, worker):
        raise KilledError


def test_a_start_leaves_a_mark_until_it_is_done_that_tries_do_not_see(run):
    die_starting(run, "a")
    with one_try(run, [0], JOB) as this:
        assert this.suspects == frozenset()
    with one_start(run, "a"):
        assert len(marks(run)) == 2
    assert marks(run) == []


def test_a_worker_that_ends_in_its_start_again_and_again_is_one_sentence(run):
    for _ in range(MOST_TRIES):
        die_starting(run, "a")
        die_starting(run, "b1")
    with one_start(run, "b"):
        pass
    with pytest.raises(JobError, match=r"A worker ended 5 times before .*lack memory"), one_start(run, "a"):
        pass
