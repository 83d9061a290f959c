"""Corrupt and malicious frames are rows with a reason. None ends a process; one that does is detected."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flipbatch.benchmark.command import SCORE_COMMAND, start
from flipbatch.frames.names import composed
from tests.conftest import jpeg, write_frames
from tests.faults.harness import TALLY, Job
from tests.faults.hostile import NAMES, OK, hostile_cases

MOST_MEMORY_MB = 1500


def rows_of(out: Path) -> dict[str, dict[str, object]]:
    return {row["video_id"]: row for row in pq.read_table(out / "predictions").to_pylist()}


def test_every_hostile_frame_is_a_row_that_says_why(tmp_path: Path, bundle: str) -> None:
    cases, folder = hostile_cases(), tmp_path / "frames"
    folder.mkdir()
    for number, (_, data, _) in enumerate(cases):
        (folder / f"case{number}_1.jpg").write_bytes(data)
    for name in NAMES:
        (folder / f"{name}_1.jpg").write_bytes(jpeg(flip=True, seed=0))
    command = [*SCORE_COMMAND, "--frames", str(folder), "--model", bundle, "--executor", "local"]
    command += ["--out", str(tmp_path / "out")]
    used = start(command, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    wrong = [
        (what, rows[f"case{number}"]["status"], rows[f"case{number}"]["error"])
        for number, (what, _, wanted) in enumerate(cases)
        if rows[f"case{number}"]["status"] not in wanted
    ]
    assert wrong == []
    assert len(rows) == len(cases) + len(NAMES) > 200
    assert {rows[composed(name)]["status"] for name in NAMES} == OK
    assert all("\n" not in str(row["error"]) for row in rows.values())
    assert used.driver_mb < MOST_MEMORY_MB
    assert "<script>alert" not in (tmp_path / "out" / "report.html").read_text()
    TALLY.inputs["hostile files"] += len(rows)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("ending", ["kills", "hangs"])
def test_a_frame_that_ends_the_process_is_found_and_the_rest_goes_on(
    ending: str, tmp_path: Path, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = write_frames(tmp_path / "frames", videos=20, frames=10)
    bad = frames / "flip" / "0007_000000003.jpg"
    bad.write_bytes(bad.read_bytes() + ending.encode())
    monkeypatch.setenv("FLIPBATCH_POISON", "1")
    out = tmp_path / "out"
    job = Job(
        tmp_path / "job",
        frames,
        "jobs/score.py",
        "--frames",
        str(frames),
        "--model",
        bundle,
        "--out",
        str(out),
    )
    assert job.wait() == 0, job.said
    rows = pq.read_table(out / "predictions").to_pylist()
    failed = [row for row in rows if row["status"] != "ok"]
    assert len(rows) == 400
    assert [row["uri"] for row in failed] == [str(bad)]
    assert failed[0]["status"] == "corrupt"
    assert not (out / "attempts").exists()
    TALLY.count(f"frame that {ending} the process", 400)
