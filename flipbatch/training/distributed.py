"""What ranks must agree on: sums, BatchNorm statistics, gathered rows. Alone, each is itself.

Knows torch.distributed; knows nothing of who started the process group.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Row = TypeVar("Row")


def is_distributed() -> bool:
    """Say whether this process is one of several ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Return this process's rank, 0 alone."""
    return dist.get_rank() if is_distributed() else 0


def sum_over_ranks(values: Tensor) -> Tensor:
    """Return the sum of every rank's `values`, the same on all."""
    total = values.clone()
    if is_distributed():
        dist.all_reduce(total)
    return total


def largest_over_ranks(value: int, device: torch.device) -> int:
    """Return the largest of every rank's `value`."""
    largest = torch.tensor(value, device=device)
    if is_distributed():
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return int(largest)


def average_statistics(network: nn.Module) -> None:
    """Give every rank the mean of all BatchNorm statistics: else each would evaluate another network."""
    if not is_distributed():
        return
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            dist.all_reduce(buffer)
            buffer.div_(dist.get_world_size())


def gather_rows(rows: list[Row]) -> list[Row]:
    """Return the rows of all ranks, in the order of ranks, on every rank."""
    if not is_distributed():
        return rows
    gathered: list[list[Row] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, rows)
    return [row for part in gathered if part is not None for row in part]
