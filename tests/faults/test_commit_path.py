"""A run that is killed right before or right after any step finishes: no frame is lost or scored twice.

By default a few steps are tried with the local executor, and one with Ray. The slow rounds try all of them.
"""

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
    "events": r"/events/\.?part",
    "stills": r"/stills/\.?part",
    "misnamed": r"/out/\.?misnamed",
    "metrics": r"/out/\.?metrics",
    "report": r"/out/\.?report",
    "_SUCCESS": r"/out/\.?_SUCCESS",
}
MOMENTS = {"before the write": "opened", "after the write": "renamed", "after the rename": "removed"}
DEFAULT_LOCAL = {
    ("manifest", "after the write"),
    ("middle shard", "after the rename"),
    ("predictions", "before the write"),
    ("_SUCCESS", "after the write"),
}
DEFAULT_RAY = ("middle shard", "after the write", "process")


def cases(who: tuple[str, ...], default: set[tuple[str, ...]]) -> list[object]:
    """Return all faults; those that are not in `default` are slow."""
    return [
        pytest.param(
            Fault(act, path, one),
            id=f"{step}, {moment}, {one}",
            marks=() if {(step, moment), (step, moment, one)} & default else pytest.mark.slow,
        )
        for step, path in STEPS.items()
        for moment, act in MOMENTS.items()
        for one in who
    ]


@pytest.mark.parametrize("fault", cases(("job",), set(DEFAULT_LOCAL)))
def test_a_killed_local_command_finishes_when_it_is_repeated(
    fault: Fault, tmp_path: Path, frames: Path, score_locally: tuple[str, ...], undisturbed: Path
) -> None:
    kill_and_repeat(fault, tmp_path, frames, score_locally, undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize("fault", cases(("job", "process"), {DEFAULT_RAY}))
def test_a_killed_ray_command_or_worker_finishes(
    fault: Fault, tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    kill_and_repeat(fault, tmp_path, frames, score, undisturbed)


def kill_and_repeat(
    fault: Fault, folder: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    out = folder / "out"
    first = Job(folder / "first", frames, *score, "--out", str(out), faults=[fault])
    exit_code = first.wait()
    assert first.faults_done == 1, first.said
    done = set().union(*committed(out).values())
    # What has finished is only looked at: that needs no Ray.
    again = score if exit_code else (*score, "--executor", "local")
    second = Job(folder / "second", frames, *again, "--out", str(out))
    assert second.wait() == 0, second.said
    assert results(out) == results(undisturbed)
    opened = first.opened + second.opened
    assert not set(second.opened) & done
    assert exit_code or not second.opened
    assert sum(opened.values()) <= 1200 + 4 * 128
    TALLY.count(f"SIGKILL of the {fault.who} at a step of the commit path", len(opened))
