"""Facts about `flipbatch.scoring.attempts`."""

from __future__ import annotations

from pathlib import Path

import pytest

from flipbatch import storage
from flipbatch.errors import JobError
from flipbatch.scoring.attempts import (
    ATTEMPTS_FOLDER,
    MAX_ATTEMPTS,
    OpenAttempts,
    finish_attempt,
    start_attempt,
)
from tests.scoring.conftest import manifest_of

JOB, OTHER_JOB = "1" * 32, "2" * 32


@pytest.fixture
def run(start_at):
    """A run whose shards 0 to 9 need not exist."""
    return start_at(manifest_of([("v", 1, "/f/v_1.jpg", None)]))


def markers(run):
    return storage.names_in(run.directory.path(ATTEMPTS_FOLDER))


def commit(run, *shards):
    for shard in shards:
        storage.write(run.shard_path(shard), b"")


def die(run, shards, job=JOB, committing=()):
    """Start an attempt and end without finishing it."""
    start_attempt(run, shards, job)
    commit(run, *committing)


def test_an_attempt_has_a_marker_until_it_is_finished(run):
    attempt = start_attempt(run, [0, 1, 2], JOB)
    assert markers(run) == list(attempt.markers)
    assert (attempt.shards, attempt.quarantined) == ([0, 1, 2], frozenset())
    finish_attempt(run, attempt)
    assert markers(run) == []


def test_the_next_attempt_quarantines_the_shards_that_are_left(run):
    die(run, [0, 1, 2, 3], committing=[0, 1])
    attempt = start_attempt(run, [0, 1, 2, 3], JOB)
    assert (attempt.shards, attempt.quarantined) == ([2, 3], {2, 3})
    finish_attempt(run, attempt)
    assert markers(run) == []


def test_another_job_with_other_chunks_quarantines_them_too(run):
    die(run, [2, 3, 4])
    attempt = start_attempt(run, [0, 1, 2, 3], OTHER_JOB)
    assert (attempt.shards, attempt.quarantined) == ([0, 1, 2, 3], {2, 3})
    finish_attempt(run, attempt)
    assert start_attempt(run, [4, 5], OTHER_JOB).quarantined == frozenset()


def test_shards_of_other_attempts_are_not_quarantined(run):
    start_attempt(run, [0, 1], JOB)
    assert start_attempt(run, [2, 3], JOB).quarantined == frozenset()
    assert len(markers(run)) == 2


def test_markers_are_deleted_if_all_shards_are_committed(run):
    die(run, [0, 1], committing=[0, 1])
    assert start_attempt(run, [0, 1], JOB).shards == []
    assert markers(run) == []


def test_committed_shards_of_a_lost_node_are_not_scored_again(run):
    attempt = start_attempt(run, [0, 1], JOB)
    commit(run, 0, 1)
    finish_attempt(run, attempt)
    assert start_attempt(run, [0, 1], JOB).shards == []


def test_a_retry_includes_committed_shards(run):
    commit(run, 0, 1)
    die(run, [0, 1])
    assert start_attempt(run, [0, 1], JOB, retry=True).shards == [0, 1]


def test_too_many_attempts_are_one_sentence(run):
    for _ in range(MAX_ATTEMPTS):
        die(run, [0, 1])
    with pytest.raises(JobError, match=r"5 workers ended while they scored shard 0 of .*out of memory"):
        start_attempt(run, [0], JOB)


def test_attempts_that_get_further_are_not_limited(run):
    for shard in range(MAX_ATTEMPTS + 1):
        die(run, list(range(10)), committing=[shard])
    assert start_attempt(run, list(range(10)), JOB).shards == list(range(MAX_ATTEMPTS + 1, 10))


def test_a_new_job_has_all_its_attempts(run):
    for _ in range(MAX_ATTEMPTS):
        die(run, [0, 1])
    assert start_attempt(run, [0, 1], OTHER_JOB).quarantined == {0, 1}


def test_other_files_in_the_folder_are_ignored(run):
    storage.write(run.directory.path(ATTEMPTS_FOLDER, "notes.txt"), b"")
    assert start_attempt(run, [0], JOB).quarantined == frozenset()
    assert Path(run.directory.path(ATTEMPTS_FOLDER, "notes.txt")).exists()


def test_markers_are_deleted_after_the_last_commit_in_any_order(run):
    attempt, other = start_attempt(run, [0, 1, 2], JOB), start_attempt(run, [3], JOB)
    with OpenAttempts(run) as attempts:
        for shard in (2, 0, 0):
            attempts.committed(attempt, shard)
    assert markers(run) == sorted(attempt.markers + other.markers)
    with OpenAttempts(run) as attempts:
        for shard in (2, 1, 0):
            attempts.committed(attempt, shard)
    assert markers(run) == list(other.markers)
