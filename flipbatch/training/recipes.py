"""How each model is trained: learning rates, phases, batches.

Knows numbers and why they are so; knows no network and no data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WARMUP_EPOCHS = 1.0
"""AdamW's second moments are guesses at first: the rate rises over this many epochs."""


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training run.

    Attributes
    ----------
    learning_rate : float
        Largest rate of the head, and of all layers where there are no pretrained ones.
    feature_rate : float
        Largest rate of the layers below the head, as a share of `learning_rate`.
    frozen_epochs : int
        How many epochs train the head alone before all layers are fine-tuned. The layers below run once for
        all of them, on frames as they are, and the epochs cost next to nothing.
    batch_size : int
        Frames a step, over all workers together.
    weight_decay : float
    low_res_share : float
        Share of the epochs, the first ones, that see frames at half their height and width, at a quarter of
        the cost. What they give is never kept as best: networks are used at full size.
    """

    learning_rate: float
    feature_rate: float = 1.0
    frozen_epochs: int = 0
    batch_size: int = 32
    weight_decay: float = 0.01
    low_res_share: float = 0.0

    def rate_at(self, epoch: float, epochs: int) -> float:
        """Return the share of the largest rate at a moment: warmed up, then down a cosine, in each phase.

        Parameters
        ----------
        epoch : float
            Epochs passed since the start, with fractions.
        epochs : int
            How many there are at most.
        """
        start, end = (0, self.frozen_epochs) if epoch < self.frozen_epochs else (self.frozen_epochs, epochs)
        progress = (epoch - start) / max(1, end - start)
        warmed_up = min(1.0, (epoch - start + 0.1) / WARMUP_EPOCHS)
        return warmed_up * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)


def recipe_for(architecture: str, pretrained: bool) -> Recipe:
    """Return the recipe of an architecture, from scratch or from pretrained weights."""
    if pretrained:
        # What ImageNet taught must not be washed out by a head that knows nothing yet.
        return Recipe(learning_rate=1e-3, feature_rate=0.3, frozen_epochs=2)
    if architecture == "mobilenet_v2":
        return Recipe(learning_rate=2e-3, batch_size=16, weight_decay=0.05, low_res_share=0.75)
    return Recipe(learning_rate=4e-3, weight_decay=0.05)
