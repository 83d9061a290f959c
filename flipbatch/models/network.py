"""What all networks have in common: layers that give features, and a head that makes one logit of them.

Knows how the two are put together, and BatchNorm that keeps its statistics. Does not know any layer.
"""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn


class Network(nn.Module):
    """A network that takes pixels and returns logits; a subclass has layers and `embed`.

    Attributes
    ----------
    normalise : nn.Module
        The first layer.
    head : nn.Module
        Takes the features of `embed`, and returns (N, 1).
    statistics_frozen : bool
        Whether BatchNorm keeps its running statistics in training. True with trained weights: small batches
        of one book's frames would overwrite the statistics of ImageNet or of many books.
    """

    normalise: nn.Module
    head: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.statistics_frozen = False

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the features that the head takes: (N, features), float32, of pixels as `forward` takes."""
        raise NotImplementedError

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
        return self.head(self.embed(pixels)).squeeze(1)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; frozen BatchNorm layers stay in evaluation."""
        super().train(mode)
        if self.statistics_frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def linear_head(features: int) -> nn.Sequential:
    """Return a head of a network of so many features."""
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(features, 1))
