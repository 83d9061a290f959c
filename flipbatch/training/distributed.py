"""Sums, BatchNorm statistics and rows over all ranks. A single rank keeps its own.

Knows torch.distributed. Does not know Ray.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Row = TypeVar("Row")


def world_size() -> int:
    """Return the number of ranks, 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_distributed() -> bool:
    """Return whether this process is one of several ranks."""
    return world_size() > 1


def rank() -> int:
    """Return this process's rank, 0 without a process group."""
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


def trains_statistics(network: nn.Module) -> bool:
    """Return whether a network in training mode updates BatchNorm statistics."""
    return any(isinstance(module, _BatchNorm) and module.training for module in network.modules())


def average_statistics(network: nn.Module) -> None:
    """Pool the BatchNorm statistics of all ranks, so that each evaluates the same network.

    Every rank sees as many frames. The mean of all frames is the mean of the ranks' means; their variance is
    the mean of the ranks' variances plus the variance of the ranks' means.
    """
    if not is_distributed():
        return
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None:
            mean, variance = module.running_mean, module.running_var
            assert variance is not None
            pooled = sum_over_ranks(mean) / world_size()
            variance.copy_(sum_over_ranks(variance + (mean - pooled) ** 2) / world_size())
            mean.copy_(pooled)


def gather_rows(rows: list[Row]) -> list[Row]:
    """Return the rows of all ranks, in the order of ranks, on every rank."""
    if not is_distributed():
        return rows
    gathered: list[list[Row] | None] = [None] * world_size()
    dist.all_gather_object(gathered, rows)
    return [row for part in gathered if part is not None for row in part]
