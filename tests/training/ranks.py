"""Real ranks: processes of one gloo group on this machine.

They are forked from a server that has imported torch already: a rank starts in a fraction of a second.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

ROOT = str(Path(__file__).parents[2])


def on_ranks(world_size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call ``function(rank, *arguments)`` on each rank of a group; return what each returned."""
    if ROOT not in sys.path:  # ranks import the function by its name
        sys.path.append(ROOT)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["flipbatch.training.fit", "torch._dynamo"])
    with tempfile.TemporaryDirectory() as folder:
        start_processes(
            _rank, (world_size, folder, function, arguments), nprocs=world_size, start_method="forkserver"
        )
        return [torch.load(f"{folder}/{rank}", weights_only=False) for rank in range(world_size)]


def _rank(
    rank: int, world_size: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),
    )
    torch.save(function(rank, *arguments), f"{folder}/{rank}")
    dist.destroy_process_group()
