"""A full disk is one sentence, and the same command ends the run once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Job, results


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mount.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    "room", [0, pytest.param(20_000, marks=pytest.mark.slow), pytest.param(60_000, marks=pytest.mark.slow)]
)
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(
    room: int, small_disk: Path, tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(2**20 - 4096 * 4 - room))
    first = Job(tmp_path / "first", frames, *score, "--out", str(small_disk / "out"))
    assert first.wait() == 1, first.said
    assert "No space left on device" in first.said
    assert "Traceback" not in first.said
    filler.unlink()
    again = Job(tmp_path / "again", frames, *score, "--out", str(small_disk / "out"))
    assert again.wait() == 0, again.said
    assert results(small_disk / "out") == results(undisturbed)
    TALLY.count("disk full", 1200)
