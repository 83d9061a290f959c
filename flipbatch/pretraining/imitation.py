"""A small network learns to predict the features and maps of a larger one: the loss of its predictions.

Labels of rendered frames teach a small network what rendered books look like. A network with ImageNet weights
has features of real pictures; a network that learns to predict them learns some of that.

Knows outputs of networks, and linear layers between them. Does not know optimisers or frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from flipbatch.frames.fitting import InputSize
from flipbatch.models.network import Network, Seen
from flipbatch.models.preprocessing import Window


class Imitation(nn.Module):
    """Linear layers that predict a teacher's features from a student's.

    Parameters
    ----------
    student, teacher : Network
        With class maps; only the shapes of what they see are taken.
    size : InputSize
        Of the frames.
    """

    def __init__(self, student: Network, teacher: Network, size: InputSize) -> None:
        super().__init__()
        self._wanted = student.map_window(size.height, size.width)
        self._given = teacher.map_window(size.height, size.width)
        learns, teaches = _seen(student, size), _seen(teacher, size)
        self._predictions = nn.ModuleList(
            nn.Conv2d(inputs.shape[1], outputs.shape[1], 1)
            for inputs, outputs in zip(_all(learns), _all(teaches), strict=True)
        )
        # All channels of the teacher count alike, whatever their size.
        self._scales = nn.ModuleList(
            nn.BatchNorm2d(one.shape[1], affine=False, track_running_stats=False) for one in _all(teaches)
        )

    def forward(self, student: Seen, teacher: Seen) -> tuple[Tensor, Tensor]:
        """Return the loss of the class maps and that of the features.

        Parameters
        ----------
        student, teacher : Seen
            Of the same frames; the teacher's without gradients.

        Returns
        -------
        tuple of (Tensor, Tensor)
            Scalars: the cross-entropy of the maps with the teacher's probabilities, the mean over cells; and
            the squared errors of the predictions, in variances of a channel, summed over the layers.
        """
        features = torch.stack(
            [
                functional.mse_loss(predict(mine), scale(self._at(mine, theirs)))
                for predict, scale, mine, theirs in zip(
                    self._predictions, self._scales, _all(student), _all(teacher), strict=True
                )
            ]
        )
        assert student.maps is not None
        assert teacher.maps is not None
        probabilities = self._at(student.maps, teacher.maps).softmax(dim=1)
        maps = -(probabilities * student.maps.log_softmax(dim=1)).sum(dim=1).mean()
        return maps, features.sum()

    def _at(self, mine: Tensor, theirs: Tensor) -> Tensor:
        """Return the teacher's channels at the student's cells."""
        if theirs.shape[2:] == (1, 1):
            return theirs
        return resampled(theirs, self._given, self._wanted, (mine.shape[2], mine.shape[3]))


def resampled(cells: Tensor, given: Window, wanted: Window, shape: tuple[int, int]) -> Tensor:
    """Return the channels of cells at the middles of other cells, interpolated; the edge goes on outside.

    Parameters
    ----------
    cells : Tensor
        (N, channels, rows, columns), which cover `given` evenly.
    given, wanted : Window
        Rectangles of the same frame.
    shape : tuple of (int, int)
        Rows and columns that cover `wanted` evenly.

    Returns
    -------
    Tensor
        (N, channels, *shape), of the type of `cells`.
    """
    rows = _places(shape[0], wanted.top, wanted.bottom, given.top, given.bottom)
    columns = _places(shape[1], wanted.left, wanted.right, given.left, given.right)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)
    grid = grid.to(cells).expand(len(cells), -1, -1, -1)
    return functional.grid_sample(cells, grid, padding_mode="border", align_corners=False)


def _places(count: int, start: int, end: int, low: int, high: int) -> Tensor:
    """Return the middles of `count` equal parts of start to end, where low is -1 and high is 1."""
    middles = start + (torch.arange(count) + 0.5) * (end - start) / count
    return (middles - low) / (high - low) * 2 - 1


def _all(seen: Seen) -> list[Tensor]:
    """Return the levels and the pooled features, all of them (N, channels, rows, columns)."""
    return [*seen.levels, seen.features[:, :, None, None]]


@torch.no_grad()
def _seen(network: Network, size: InputSize) -> Seen:
    """Return what a network sees in a black frame."""
    training = network.training
    device = next(network.parameters()).device
    seen = network.eval().look(torch.zeros((1, 3, size.height, size.width), device=device))
    network.train(training)
    return seen
