"""Class maps: what each cell of a coarse grid shows, as layers and as features of a head.

A network that learns what its cells show, which rendered frames tell, carries over to other books better.
Knows the layers that make maps of a network's features, and how maps are pooled. Does not know networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flipbatch.models.network_options import LARGEST_CELLS, MAP_CLASSES


def pooled_maps(maps: Tensor) -> Tensor:
    """Return the features of class maps.

    Parameters
    ----------
    maps : Tensor
        (N, classes, rows, columns): logits.

    Returns
    -------
    Tensor
        (N, 3 times the classes): the mean of each class, then the maxima, then the means of the
        `LARGEST_CELLS` largest cells, or of all where there are fewer.
    """
    cells = maps.flatten(2)
    largest = cells.topk(min(LARGEST_CELLS, cells.shape[2]), dim=2).values
    return torch.cat([cells.mean(dim=2), largest[:, :, 0], largest.mean(dim=2)], dim=1)


def cell_layers(inputs: int, inner: int) -> nn.Sequential:
    """Return the layers that make class maps, as logits, of features; a cell also sees its eight neighbours.

    Parameters
    ----------
    inputs : int
        Channels of the features.
    inner : int
        Channels between the layers.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, inner, 1, bias=False),
        nn.BatchNorm2d(inner),
        nn.ReLU(inplace=True),
        nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
        nn.BatchNorm2d(inner),
        nn.ReLU(inplace=True),
        nn.Conv2d(inner, len(MAP_CLASSES), 1),
    )
