"""How each model is trained: learning rates, phases, batches.

Knows numbers and the reasons for them. Does not know networks or data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WARMUP_EPOCHS = 1.0
"""The rate rises over this many epochs: AdamW's estimates of second moments are unreliable at first."""

FEWEST_NORMALISED = 16
"""Minimum number of frames in a rank's batch if BatchNorm is trained.

Statistics of 4 frames are too noisy. SyncBatchNorm would compute them over all ranks, but it works on GPUs
only, and a model must not depend on the device that trained it: each rank gets enough frames instead."""


@dataclass(frozen=True)
class Batches:
    """What a step takes on several ranks.

    Attributes
    ----------
    frames_per_rank : int
    rate_factor : float
        Factor of the recipe's learning rates. It is 1 if the batch of all ranks is the recipe's.
    """

    frames_per_rank: int
    rate_factor: float


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training run.

    Attributes
    ----------
    learning_rate : float
        Largest rate of the head, and of all layers if none is pretrained.
    feature_rate : float
        Largest rate of the layers below the head, as a share of `learning_rate`.
    frozen_epochs : int
        The first epochs train the head alone, before all layers are fine-tuned. The layers below run once for
        all of them, on frames without augmentation, so these epochs cost very little.
    batch_size : int
        Frames per step, over all workers together.
    weight_decay : float
    low_res_share : float
        Share of the epochs, from the first one on, that train on frames of half the height and width, at a
        quarter of the cost. Their weights are never kept as best: networks are used at full size.
    """

    learning_rate: float
    feature_rate: float = 1.0
    frozen_epochs: int = 0
    batch_size: int = 32
    weight_decay: float = 0.01
    low_res_share: float = 0.0

    def rate_at(self, epoch: float, epochs: int) -> float:
        """Return the share of the largest rate at a moment: a warm-up, then a cosine, in each phase.

        Parameters
        ----------
        epoch : float
            Epochs since the start, with fractions.
        epochs : int
            The most epochs that the run may take.
        """
        start, end = (0, self.frozen_epochs) if epoch < self.frozen_epochs else (self.frozen_epochs, epochs)
        progress = (epoch - start) / max(1, end - start)
        warmed_up = min(1.0, (epoch - start + 0.1) / WARMUP_EPOCHS)
        return warmed_up * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)

    def batches(self, ranks: int, trains_statistics: bool) -> Batches:
        """Return how a step is shared by ranks.

        The recipe's batch is divided among the ranks. If BatchNorm learns its statistics, each rank gets
        `FEWEST_NORMALISED` frames at least, or the recipe's batch if that is smaller. Then the batch of all
        ranks grows, and the rate grows with its square root, which keeps the noise of AdamW's steps (Malladi
        et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", NeurIPS 2022).

        Parameters
        ----------
        ranks : int
            At least 1.
        trains_statistics : bool
            Whether the network updates BatchNorm statistics in training.
        """
        share = max(1, self.batch_size // ranks)
        fewest = min(self.batch_size, FEWEST_NORMALISED) if trains_statistics else 1
        frames = max(share, fewest)
        return Batches(frames, math.sqrt(max(1.0, frames * ranks / self.batch_size)))


def recipe_for(architecture: str, pretrained: bool, whole: bool = False) -> Recipe:
    """Return the recipe of an architecture.

    Parameters
    ----------
    architecture : str
    pretrained : bool
        Whether it starts from trained weights.
    whole : bool
        Whether its head does too: it is fine-tuned on frames of a few books.
    """
    if pretrained and whole:
        # Nothing waits for the head. Small rates: fast ones forget what the frames at hand don't show.
        return Recipe(learning_rate=1e-3, feature_rate=0.1)
    if pretrained:
        # The gradients of a random head would damage the pretrained features.
        return Recipe(learning_rate=1e-3, feature_rate=0.3, frozen_epochs=2)
    if architecture == "mobilenet_v2":
        return Recipe(learning_rate=2e-3, batch_size=16, weight_decay=0.05, low_res_share=0.75)
    return Recipe(learning_rate=4e-3, weight_decay=0.05)
