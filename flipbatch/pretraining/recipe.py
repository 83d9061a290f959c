"""How the bundles that come with the package are trained on rendered frames.

Knows which networks they are, numbers, and the reasons for them. Does not know layers or frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flipbatch.models.network_options import CnnOptions, MobileNetOptions, NetworkOptions


@dataclass(frozen=True)
class StreamRecipe:
    """Numbers that all networks share; those of the pool do not apply with a teacher.

    Attributes
    ----------
    batch_size : int
        Frames per step.
    capacity : int
        Frames that are kept to draw from: 0.8 GB. Frames of one scene, which come together, are drawn apart.
    fewest_frames : int
        Frames that are there before the first step: fewer would be memorised.
    steps_per_report : int
        Steps between two evaluations, each with a checkpoint.
    validation_frames : int
        Rendered frames of other places, for evaluation and calibration.
    """

    batch_size: int = 64
    capacity: int = 6_000
    fewest_frames: int = 2_000
    steps_per_report: int = 250
    validation_frames: int = 1_500

    def reports_at(self, step: int, steps: int) -> bool:
        """Return whether the network is evaluated after a step, counted from 1, of a run of `steps`."""
        return 0 < step <= steps and (step % self.steps_per_report == 0 or step == steps)


@dataclass(frozen=True)
class PretrainRecipe:
    """How one network learns from rendered frames.

    Attributes
    ----------
    network : NetworkOptions
        Which network is trained.
    steps : int
        Of the run that makes the shipped bundle. Of `cnn_model`, the bundle of step 1,500 is shipped:
        ``--stops cnn_model=1500``.
    frames_per_step : int
        New frames that the pool takes per step. As they are fewer than a batch, some frames are drawn several
        times before they are replaced, each time with another augmentation. Not with a teacher.
    learning_rate : float
        Largest rate of layers that start from random weights.
    feature_rate : float
        Largest rate of the layers below the class maps.
    frozen_blocks : int
        So many blocks with ImageNet weights stay as they are. They know real pictures; what they learn from
        rendered ones takes more away from that than it gives (docs/synthetic.md).
    weight_decay : float
    warmup_steps : int
        The rate rises over these: AdamW's estimates of second moments are unreliable at first.
    region_weights : tuple of float
        Weight of each `Region` in the loss of the maps: a page in the air is rare and is what counts.
    map_weight : float
        Weight of the loss of the maps, beside 1 of the loss of the logit. Where a page is in the air is
        harder to guess from the look of a place than whether one is.
    label_smoothing : float
        A logit that is never wanted to be infinite is better calibrated.
    teacher : str or None
        The architecture that this one imitates. Its logits, maps and features take the place of labels and
        regions: a network without ImageNet weights that learns these turns to what is particular to the
        renderer (docs/synthetic.md).
    imitation_frames : int
        With a teacher: so many frames are augmented once, and it runs on them once, before the first step.
    imitation_weight : float
        Weight of the loss of a teacher's features.
    longest_average : float
        Most weight of the old average when a step's weights are added: an average over 500 steps.
    average_warmup : int
        At step k the old average weighs k / (k + this) at most: the random start is forgotten first.
    """

    network: NetworkOptions
    steps: int = 1_800
    frames_per_step: int = 48
    learning_rate: float = 3e-3
    feature_rate: float = 3e-3
    frozen_blocks: int = 0
    weight_decay: float = 0.05
    warmup_steps: int = 150
    region_weights: tuple[float, ...] = (1.0, 1.0, 3.0, 1.0)
    map_weight: float = 2.0
    label_smoothing: float = 0.05
    teacher: str | None = None
    imitation_frames: int = 20_000
    imitation_weight: float = 1.0
    longest_average: float = 0.998
    average_warmup: int = 50

    def rate_at(self, step: int, progress: float) -> float:
        """Return the share of the largest rate at a step: a warm-up, then a cosine.

        Parameters
        ----------
        step : int
            Counted from 0.
        progress : float
            Done share of the run, 0 to 1.
        """
        warmed_up = min(1.0, (step + 1) / self.warmup_steps)
        return warmed_up * (1 + math.cos(math.pi * min(1.0, progress))) / 2

    def average_weight(self, step: int) -> float:
        """Return how much of the old average stays at a step, counted from 1."""
        return min(self.longest_average, step / (step + self.average_warmup))


PRIOR_WIDENING = 2.0
"""Factor of the deviations within a place, for `score --adapt`. The frames of a rendered place come from one
film of each label, those of a real place from several, with other pages and hands: the deviation of notflip
logits is 0.3 to 0.4 in rendered places and 0.4 to 0.9 in real ones. Factors of 1.6 to 3 do about as well on
real places (docs/decisions.md)."""

STREAM = StreamRecipe()

RECIPES: Mapping[str, PretrainRecipe] = {
    "mobilenet_v2": PretrainRecipe(MobileNetOptions(standardise_pixels=True, maps=True), frozen_blocks=14),
    "cnn_model": PretrainRecipe(
        CnnOptions((8, 16, 32, 64, 96, 96), plain=(5,), maps=True),
        steps=6_000,
        teacher="mobilenet_v2",
    ),
}
"""By architecture; a teacher comes before those that imitate it."""
