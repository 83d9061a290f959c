"""What maps of a network should say: the share of each kind of region in each cell, and the loss of it.

Knows regions of pixels and cells. Does not know networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from flipbatch.models.preprocessing import Window
from flipbatch.synthetic.frame_state import Region


def region_shares(regions: Tensor, window: Window, cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the share of each `Region` in each cell.

    Parameters
    ----------
    regions : Tensor
        (N, height, width), uint8: a `Region`, or any other value for pixels that don't count.
    window : Window
        The rectangle that the cells cover, evenly.
    cells : tuple of (int, int)
        Rows and columns of cells.

    Returns
    -------
    tuple of (Tensor, Tensor)
        Shares, (N, 4, rows, columns), float32: their sum over regions is 1 where any pixel of the cell
        counts, and 0 elsewhere. Whether any does, (N, rows, columns), bool.
    """
    top, left, bottom, right = window
    seen = regions[:, top:bottom, left:right]
    each = torch.stack([seen == region for region in Region], dim=1).float()
    shares = functional.adaptive_avg_pool2d(each, cells)
    covered = shares.sum(dim=1, keepdim=True)
    return shares / covered.clamp_min(torch.finfo(torch.float32).tiny), covered[:, 0] > 0


def map_loss(maps: Tensor, shares: Tensor, counts: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the cross-entropy of maps with the shares of regions, the mean over the cells that count.

    Parameters
    ----------
    maps : Tensor
        (N, 4, rows, columns), logits of each `Region`.
    shares, counts : Tensor
        Of `region_shares`.
    weights : sequence of float
        Of each `Region`.
    """
    weighted = shares * shares.new_tensor(weights).view(1, -1, 1, 1)
    losses = -(weighted * maps.float().log_softmax(dim=1)).sum(dim=1)
    return (losses * counts).sum() / counts.sum().clamp_min(1)
