"""A whole node is lost: two real raylets on one machine, one of them killed with all its workers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.harness import TALLY, Job, results

pytestmark = pytest.mark.ray


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_job_goes_on_without_a_node(
    tmp_path: Path, frames: Path, score: tuple[str, ...], undisturbed: Path
) -> None:
    from ray.cluster_utils import Cluster

    out = tmp_path / "out"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        job = Job(tmp_path / "job", frames, *score, "--out", str(out), address=str(cluster.address))
        while not list((out / "shards").glob("[0-9]*")):
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        assert job.wait() == 0, job.said
        assert results(out) == results(undisturbed)
        TALLY.count("node lost", 1200)
    finally:
        cluster.shutdown()
