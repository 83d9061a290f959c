"""A full or read-only disk gives one sentence. The same command finishes the run once there is space."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Fault, Job, committed, results

pytestmark = pytest.mark.ray


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


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 20_000, 60_000])
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


@pytest.mark.slow
def test_a_read_only_disk_is_one_sentence_and_the_run_goes_on_when_it_can_be_written(
    small_disk: Path, tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    out = small_disk / "out"
    begun = Job(tmp_path / "begun", frames, *score, "--out", str(out), faults=[Fault("removed", "/shards/")])
    assert begun.wait() != 0
    done = set().union(*committed(out).values())
    remount(small_disk, "ro")
    first = Job(tmp_path / "first", frames, *score, "--out", str(out))
    assert first.wait() == 1, first.said
    assert "Read-only file system" in first.said
    assert "Traceback" not in first.said
    remount(small_disk, "rw")
    again = Job(tmp_path / "again", frames, *score, "--out", str(out))
    assert again.wait() == 0, again.said
    assert not done & (set(first.opened) | set(again.opened))
    assert results(out) == results(undisturbed)
    TALLY.count("disk read-only", 1200)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how},size=1m", str(folder)], check=True)
