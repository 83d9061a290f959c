"""Two commands at once on one directory: both end, and nothing is mixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Job, results

pytestmark = pytest.mark.ray


@pytest.mark.slow
def test_two_commands_at_once_agree(
    tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path, rounds: int
) -> None:
    for number in range(rounds):
        out = tmp_path / f"out{number}"
        jobs = [Job(tmp_path / f"{number}-{who}", frames, *score, "--out", str(out)) for who in "ab"]
        assert [job.wait() for job in jobs] == [0, 0], [job.said for job in jobs]
        assert results(out) == results(undisturbed)
        TALLY.count("another command on the same directory", 1200)


@pytest.mark.slow
def test_one_of_two_different_commands_at_once_is_refused(
    tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    out = str(tmp_path / "out")
    one = Job(tmp_path / "one", frames, *score, "--out", out)
    other = Job(tmp_path / "other", frames, *score, "--threshold", "0.9", "--out", out)
    codes = [one.wait(), other.wait()]
    assert sorted(codes) == [0, 1], one.said + other.said
    assert "belongs to another run: models.cnn_model.threshold was" in (one, other)[codes.index(1)].said
    if codes[0] == 0:
        assert results(tmp_path / "out") == results(undisturbed)
    TALLY.count("another command on the same directory", 1200)
