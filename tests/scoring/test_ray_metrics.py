"""Metrics of scoring, read where Prometheus reads them: at the page that Ray serves on its node."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path

import pytest
import ray

from flipbatch.scoring.job import ScoreOptions
from tests.scoring.conftest import score

pytestmark = pytest.mark.usefixtures("ray_session")

SAMPLE = re.compile(r"^ray_flipbatch_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)


def exported(out: Path, name: str, status: str | None = None) -> float | None:
    """Return a metric of a run, or None."""
    (node,) = ray.nodes()
    page = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    text = urllib.request.urlopen(page, timeout=5).read().decode()
    for found, labels, value in SAMPLE.findall(text):
        of_status = status is None or f'status="{status}"' in labels
        if found == name and f'out="{out}"' in labels and of_status:
            return float(value)
    return None


def test_frames_by_status_shards_and_the_queue_are_exported(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    metrics = score(ScoreOptions(frames=str(frames), models=bundles[:1], out=str(out)))["frames"]
    assert metrics["errors"]["corrupt"] > 0
    deadline = time.monotonic() + 30
    while exported(out, "shards_left") != 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert exported(out, "shards_left") == 0
    assert exported(out, "shards_total") == len(list((out / "shards").glob("*.parquet")))
    statuses = {"ok": metrics["scored"], **metrics["errors"]}
    for status, count in statuses.items():
        assert (exported(out, "frames_total", status) or 0) == count


def test_storage_that_never_hesitates_has_no_retries(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    score(ScoreOptions(frames=str(frames), models=bundles[:1], out=str(tmp_path / "out")))
    assert exported(tmp_path / "out", "storage_retries_total") is None
