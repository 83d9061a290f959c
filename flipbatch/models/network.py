"""What all networks have in common: layers that give features, and a head that makes one logit of them.

Knows how the two are put together, with class maps between them where a network has some, and BatchNorm that
keeps its statistics. Does not know any layer below the head.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from torch import Tensor, nn

from flipbatch.models.network_options import MAP_FEATURES
from flipbatch.models.preprocessing import Window


class Seen(NamedTuple):
    """What the layers below the head return.

    Attributes
    ----------
    features : Tensor
        (N, features), float32: what the head takes.
    maps : Tensor or None
        (N, 4, rows, columns), float32: logits of `network_options.MAP_CLASSES` for each cell; None without
        the option ``maps``.
    levels : tuple of Tensor
        Features by cell, (N, channels, rows, columns), float32, each of the window of the maps: a finer one,
        and that of which the maps are made. Empty without the option ``maps``.
    """

    features: Tensor
    maps: Tensor | None
    levels: tuple[Tensor, ...] = ()


class Network(nn.Module):
    """A network that takes pixels and returns logits; a subclass has layers and `look`.

    Attributes
    ----------
    normalise : nn.Module
        The first layer.
    features : nn.Sequential
        The layers that may start from trained weights of another head.
    maps : nn.Sequential or None
        The layers that make class maps of the outputs of ``features``; None without the option ``maps``.
    head : nn.Module
        Takes the features of `embed`, and returns (N, 1).
    statistics_frozen : bool
        Whether BatchNorm in ``features`` keeps its running statistics in training. True with trained weights:
        small batches of one book's frames would overwrite the statistics of ImageNet or of many books. That
        of ``maps`` and ``head`` always learns.
    """

    normalise: nn.Module
    features: nn.Sequential
    maps: nn.Sequential | None
    head: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.statistics_frozen = False

    @property
    def used_blocks(self) -> tuple[int, ...]:
        """Numbers of the layers of ``features`` whose outputs the maps, the head or `Seen.levels` take."""
        raise NotImplementedError

    def look(self, pixels: Tensor) -> Seen:
        """Return what the layers below the head see in pixels as `forward` takes."""
        raise NotImplementedError

    def map_window(self, height: int, width: int) -> Window:
        """Return the rectangle of an input that the class maps cover; cells are equal parts of it."""
        return Window(0, 0, height, width)

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the features that the head takes: (N, features), float32, of pixels as `forward` takes."""
        return self.look(pixels).features

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one logit per frame.

        Parameters
        ----------
        pixels : Tensor
            (N, 3, H, W), RGB, 0 to 255, uint8 or float.

        Returns
        -------
        Tensor
            (N,), float; above 0 if a flip is likelier than not.
        """
        return self.logits(self.look(pixels))

    def logits(self, seen: Seen) -> Tensor:
        """Return one logit per frame, (N,), of what `look` returned."""
        return self.head(seen.features).squeeze(1)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; frozen BatchNorm layers stay in evaluation."""
        super().train(mode)
        if self.statistics_frozen:
            for module in self.features.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def head_of(features: int, maps: bool) -> nn.Sequential:
    """Return a head.

    Parameters
    ----------
    features : int
        The number of features, without those of class maps.
    maps : bool
        Whether it takes class maps too. BatchNorm then comes first: pooled logits of maps and pooled features
        are of different sizes.
    """
    if maps:
        features += MAP_FEATURES
        return nn.Sequential(nn.BatchNorm1d(features, momentum=0.05), nn.Dropout(0.2), nn.Linear(features, 1))
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(features, 1))
