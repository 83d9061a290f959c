"""Facts about `flipbatch.scoring.ray_executor`: its plans, and that both executors write the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flipbatch.scoring.executor import Work
from flipbatch.scoring.job import ExecutorName, ScoreOptions
from flipbatch.scoring.models import load_models
from flipbatch.scoring.ray_executor import pipeline
from flipbatch.scoring.run import ScoringRun
from tests.scoring.conftest import contents, manifest_of, score

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def local(frames: Path, bundles: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both models on the local executor."""
    out = tmp_path_factory.mktemp("local") / "out"
    score(ScoreOptions(frames=str(frames), models=bundles, out=str(out), executor="local"))
    return out


def test_ray_gives_the_same_files_as_the_local_executor(
    local: Path, frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    score(ScoreOptions(frames=str(frames), models=bundles, out=str(tmp_path / "out")))
    assert contents(tmp_path / "out") == contents(local)


def test_ray_gives_the_same_files_as_the_local_executor_with_a_first_pass(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    executors: tuple[ExecutorName, ...] = ("ray", "local")
    ray, local = (
        ScoreOptions(frames=str(frames), models=bundles, out=str(tmp_path / name), executor=name, adapt=True)
        for name in executors
    )
    assert score(ray)["adaptation"]["places"] == 1
    score(local)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


@pytest.mark.parametrize("order", [("local", "ray"), pytest.param(("ray", "local"), marks=pytest.mark.slow)])
def test_a_run_of_one_executor_is_finished_by_the_other(
    order: tuple[ExecutorName, ExecutorName], manifest: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = (
        ScoreOptions(manifest=str(manifest), models=bundles[:1], out=str(out), executor=name)
        for name in order
    )
    score(first)
    undisturbed, kept = contents(out), out / "shards" / "000000000.parquet"
    (out / "_SUCCESS").unlink()
    (out / "shards" / "000000001.parquet").unlink()
    written = kept.stat().st_mtime_ns
    score(second)
    assert contents(out) == undisturbed
    assert kept.stat().st_mtime_ns == written


FUSED = "ActorPoolMapOperator[ReadRange->MapBatches(decode)->MapBatches(_PredictAndCommit)]"
SPLIT = (
    "TaskPoolMapOperator[ReadRange->MapBatches(decode)] -> ActorPoolMapOperator[MapBatches(_Predict)]"
    " -> TaskPoolMapOperator[MapBatches(commit)]"
)


@pytest.mark.parametrize(("gpu", "plan"), [(False, FUSED), (True, SPLIT)])
def test_one_step_on_cpus_and_three_with_gpus(
    gpu: bool, plan: str, start_at, bundles: tuple[str, str]
) -> None:
    from ray.data._internal.logical.optimizers import get_execution_plan

    run: ScoringRun = start_at(manifest_of([("a", 1, "/f/a_1.jpg", None)]))
    work = Work(run, [model.bundle for model in load_models(bundles, None)])
    dataset = pipeline(work, np.arange(2), gpu)
    operator = get_execution_plan(dataset._logical_plan)[0].dag
    names = []
    while operator.input_dependencies:
        names.insert(0, str(operator))
        operator = operator.input_dependencies[0]
    assert " -> ".join(names) == plan
