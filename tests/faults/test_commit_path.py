"""Killed right before or right after any step, a run goes on; nothing is lost, nothing is scored twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Fault, Job, committed, results

STEPS = {
    "manifest": r"/manifest/[^/]+/\.?part-00000",
    "misnamed of the manifest": r"/manifest/[^/]+/\.?misnamed",
    "run.json": r"/out/\.?run\.json",
    "first shard": r"/shards/\.?000000000",
    "middle shard": r"/shards/\.?000000005",
    "last shard": r"/shards/\.?000000009",
    "predictions": r"/predictions/model=cnn_model/\.?part",
    "videos": r"/videos/\.?part",
    "misnamed": r"/out/\.?misnamed",
    "metrics": r"/out/\.?metrics",
    "report": r"/out/\.?report",
    "_SUCCESS": r"/out/\.?_SUCCESS",
}
MOMENTS = {"before it is written": "opened", "once it is written": "renamed", "once it is named": "removed"}
IN_SHORT = ("middle shard", "once it is written", "job")

CASES = [
    pytest.param(
        Fault(act, path, who),
        id=f"{step}, {moment}, {who}",
        marks=() if (step, moment, who) == IN_SHORT else pytest.mark.slow,
    )
    for step, path in STEPS.items()
    for moment, act in MOMENTS.items()
    for who in ("job", "process")
]


@pytest.mark.parametrize("fault", CASES)
def test_a_killed_step_is_made_up_for(
    fault: Fault, tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    out = tmp_path / "out"
    first = Job(tmp_path / "first", frames, *score, "--out", str(out), faults=[fault])
    ended = first.wait()
    assert first.faults_done == 1, first.said
    done = set().union(*committed(out).values())
    again = Job(tmp_path / "again", frames, *score, "--out", str(out))
    assert again.wait() == 0, again.said
    assert results(out) == results(undisturbed)
    opened = first.opened + again.opened
    assert not set(again.opened) & done
    assert ended or not again.opened
    assert sum(opened.values()) <= 1200 + 4 * 128
    TALLY.count(f"SIGKILL of the {fault.who} at a step of the commit path", len(opened))
