"""Facts about `flipbatch.runtime.ray_actor_arguments`, on a real Ray."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import ray.data
from ray._private.worker import global_worker

from flipbatch.runtime import ray_actor_arguments
from flipbatch.runtime.ray_actor_arguments import pass_arguments_as_bytes
from flipbatch.runtime.ray_connection import data_context

LINE = "has constructor arguments in the object store"

pytestmark = pytest.mark.usefixtures("ray_session")


class Double:
    """An actor's function. It kills its process at block 3, once."""

    def __init__(self, killed: Path) -> None:
        self._killed = killed

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["id"][0] == 3 and not self._killed.exists():
            self._killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"id": batch["id"] * 2}


def doubled(killed: Path, as_bytes: bool) -> list[int]:
    with data_context(enable_progress_bars=False) as context:
        assert not as_bytes or pass_arguments_as_bytes(context)
        one = ray.data.ActorPoolStrategy(size=1)
        dataset = ray.data.range(6, override_num_blocks=6).map_batches(
            Double, fn_constructor_args=(killed,), batch_size=None, compute=one
        )
        return sorted(row["id"] for row in dataset.iter_rows())


def test_a_killed_actor_starts_again_and_the_core_prints_no_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert doubled(tmp_path / "killed", as_bytes=True) == [0, 2, 4, 6, 8, 10]
    assert (tmp_path / "killed").exists()
    assert LINE not in capfd.readouterr().err


def test_other_datasets_stay_as_ray_makes_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "killed").touch()
    assert doubled(tmp_path / "killed", as_bytes=False) == [0, 2, 4, 6, 8, 10]
    assert LINE in capfd.readouterr().err


def references() -> int:
    """Return how many objects this process keeps in Ray, after those of the last job are gone."""
    gc.collect()
    time.sleep(1)
    core = global_worker.core_worker  # pyright: ignore[reportAttributeAccessIssue]
    return len(core.get_all_reference_counts())


def test_no_object_is_kept_after_the_job(tmp_path: Path) -> None:
    (tmp_path / "killed").touch()
    counts = []
    for _ in range(3):
        doubled(tmp_path / "killed", as_bytes=True)
        counts.append(references())
    assert counts[1] == counts[2]


def test_another_ray_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_actor_arguments, "_RAY_VERSION", "3.")
    with data_context() as context:
        assert not pass_arguments_as_bytes(context)
        assert context.get_config(ray_actor_arguments._SETTING) is None
