"""Facts about `flipbatch.scoring.attempts`."""

from __future__ import annotations

from pathlib import Path

import pytest

from flipbatch import storage
from flipbatch.errors import JobError
from flipbatch.scoring.attempts import ATTEMPTS_FOLDER, MAX_ATTEMPTS, finish_attempt, start_attempt
from tests.scoring.conftest import manifest_of

JOB, OTHER_JOB = "1" * 32, "2" * 32


@pytest.fixture
def run(begin_at):
    """A run whose shards 0 to 9 need not exist."""
    return begin_at(manifest_of([("v", 1, "/f/v_1.jpg", None)]))


def marks(run):
    return storage.names_in(run.directory.path(ATTEMPTS_FOLDER))


def commit(run, *shards):
    for shard in shards:
        storage.write(run.shard_path(shard), b"")


def die(run, shards, job=JOB, committing=()):
    """Try some shards, and end over them."""
    start_attempt(run, shards, job)
    commit(run, *committing)


def test_a_try_leaves_a_mark_until_it_is_done(run):
    this = start_attempt(run, [0, 1, 2], JOB)
    assert marks(run) == list(this.marks)
    assert (this.shards, this.quarantined) == ([0, 1, 2], frozenset())
    finish_attempt(run, this.marks)
    assert marks(run) == []


def test_the_next_try_does_what_is_left_and_knows_what_is_suspect(run):
    die(run, [0, 1, 2, 3], committing=[0, 1])
    this = start_attempt(run, [0, 1, 2, 3], JOB)
    assert (this.shards, this.quarantined) == ([2, 3], {2, 3})
    finish_attempt(run, this.marks)
    assert marks(run) == []


def test_another_job_that_cuts_otherwise_knows_it_too(run):
    die(run, [2, 3, 4])
    this = start_attempt(run, [0, 1, 2, 3], OTHER_JOB)
    assert (this.shards, this.quarantined) == ([0, 1, 2, 3], {2, 3})
    finish_attempt(run, this.marks)
    assert start_attempt(run, [4, 5], OTHER_JOB).quarantined == frozenset()


def test_what_others_are_at_is_not_suspect(run):
    start_attempt(run, [0, 1], JOB)
    assert start_attempt(run, [2, 3], JOB).quarantined == frozenset()
    assert len(marks(run)) == 2


def test_where_nothing_is_left_marks_are_taken_back(run):
    die(run, [0, 1], committing=[0, 1])
    assert start_attempt(run, [0, 1], JOB).shards == []
    assert marks(run) == []


def test_what_was_committed_before_its_node_was_lost_is_not_done_again(run):
    this = start_attempt(run, [0, 1], JOB)
    commit(run, 0, 1)
    finish_attempt(run, this.marks)
    assert start_attempt(run, [0, 1], JOB).shards == []


def test_shards_that_are_done_again_are_not_left_out(run):
    commit(run, 0, 1)
    die(run, [0, 1])
    assert start_attempt(run, [0, 1], JOB, again=True).shards == [0, 1]


def test_workers_that_end_again_and_again_are_one_sentence(run):
    for _ in range(MAX_ATTEMPTS):
        die(run, [0, 1])
    with pytest.raises(JobError, match=r"5 workers ended over shard 0 of .*lack memory"):
        start_attempt(run, [0], JOB)


def test_who_gets_further_may_go_on(run):
    for shard in range(MAX_ATTEMPTS + 1):
        die(run, list(range(10)), committing=[shard])
    assert start_attempt(run, list(range(10)), JOB).shards == list(range(MAX_ATTEMPTS + 1, 10))


def test_who_starts_the_command_again_may_try_as_often(run):
    for _ in range(MAX_ATTEMPTS):
        die(run, [0, 1])
    assert start_attempt(run, [0, 1], OTHER_JOB).quarantined == {0, 1}


def test_a_stranger_in_the_folder_does_no_harm(run):
    storage.write(run.directory.path(ATTEMPTS_FOLDER, "notes.txt"), b"")
    assert start_attempt(run, [0], JOB).quarantined == frozenset()
    assert Path(run.directory.path(ATTEMPTS_FOLDER, "notes.txt")).exists()
