"""How many CPUs a training worker asks for: without Ray."""

from __future__ import annotations

import pytest

from flipbatch.training.ray_trainer import cpus_per_worker

CPU_NODE, GPU_NODE = {"CPU": 16.0}, {"CPU": 16.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "cpus"),
    [
        ([{"CPU": 2.0}], 1, False, 2.0),
        ([{"CPU": 2.0}], 3, False, 0.66),
        ([CPU_NODE, CPU_NODE], 4, False, 8.0),
        ([{"CPU": 0.0}, CPU_NODE], 2, False, 8.0),
        ([], 2, False, 1.0),
        ([GPU_NODE, CPU_NODE, CPU_NODE, CPU_NODE], 4, True, 4.0),
        ([CPU_NODE], 1, True, 1.0),
    ],
)
def test_workers_fit_on_the_nodes_that_can_take_them(nodes, workers, gpu, cpus) -> None:
    assert cpus_per_worker(nodes, workers, gpu) == cpus
