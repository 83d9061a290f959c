"""Training steps on rendered frames: the losses, the rates, and the average of the weights.

Knows networks and batches. Does not know how frames are rendered, or files.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from flipbatch.models.network import Network, Seen
from flipbatch.pretraining.frozen_blocks import speed_up_frozen
from flipbatch.pretraining.imitation import Imitation
from flipbatch.pretraining.pool import Batch
from flipbatch.pretraining.recipe import PretrainRecipe
from flipbatch.pretraining.region_maps import map_loss, region_shares
from flipbatch.pretraining.teacher import TeacherOutputs

Tensors = tuple[Tensor, ...] | list[Tensor]


class StepLosses(NamedTuple):
    """The losses of one step, before their weights.

    Attributes
    ----------
    label : float
        Cross-entropy of the labels, smoothed, or of a teacher's probabilities.
    maps : float
        Cross-entropy of the class maps.
    features : float
        Squared errors of a teacher's features; 0 without a teacher.
    """

    label: float
    maps: float
    features: float = 0.0


class Pretraining:
    """The training of one network, which can go on from a checkpoint.

    Parameters
    ----------
    network : Network
        With class maps, on its device. It is changed, and is to be used by this object alone.
    recipe : PretrainRecipe
    steps : int
        The number of steps of the whole run: the rate falls to 0 at its end.
    imitation : Imitation, optional
        Of a teacher: for `imitate`.

    Attributes
    ----------
    done : int
        Steps so far.
    """

    def __init__(
        self, network: Network, recipe: PretrainRecipe, steps: int, imitation: Imitation | None = None
    ) -> None:
        self._recipe, self._steps, self.done = recipe, steps, 0
        for layer in network.features[: recipe.frozen_blocks]:
            layer.requires_grad_(False)
        device = next(network.parameters()).device
        self._imitation = imitation.to(device) if imitation else None
        # Convolutions of the CPU and of tensor cores take channels last.
        self._network = cast(Any, network).to(memory_format=torch.channels_last).train()
        self._average = AveragedModel(network, multi_avg_fn=self._add_to_average, use_buffers=True)
        if device.type == "cpu":
            speed_up_frozen(
                network.features, recipe.frozen_blocks, network.used_blocks, torch.get_num_threads()
            )
        groups = _parameter_groups(network, self._imitation, recipe)
        self._optimizer = AdamW(groups, weight_decay=recipe.weight_decay)

    @property
    def averaged(self) -> Network:
        """The network with the average of the weights, in evaluation mode."""
        return cast(Network, self._average.module).eval()

    def step(self, batch: Batch) -> StepLosses:
        """Train on labels and regions.

        Parameters
        ----------
        batch : Batch
            Its pixels are float32, 0 to 255, on the network's device. Dropout takes torch's own random
            numbers.
        """
        seen = self._network.look(batch.pixels.permute(0, 3, 1, 2))
        label, maps = self._losses(self._network.logits(seen), seen, batch)
        return self._learn(label, maps, seen.features.new_zeros(()))

    def imitate(self, pixels: Tensor, outputs: TeacherOutputs) -> StepLosses:
        """Train on a teacher's outputs.

        Parameters
        ----------
        pixels : Tensor
            (N, height, width, 3), float32 RGB, 0 to 255, on the network's device.
        outputs : TeacherOutputs
            For these pixels: float32, on this device.
        """
        assert self._imitation is not None
        seen = self._network.look(pixels.permute(0, 3, 1, 2))
        probabilities = outputs.logits.sigmoid()
        label = functional.binary_cross_entropy_with_logits(self._network.logits(seen), probabilities)
        return self._learn(label, *self._imitation(seen, outputs.seen))

    def _learn(self, label: Tensor, maps: Tensor, features: Tensor) -> StepLosses:
        """Change the weights by the gradients of the losses."""
        self._set_rate()
        self._optimizer.zero_grad(set_to_none=True)
        (label + self._recipe.map_weight * maps + self._recipe.imitation_weight * features).backward()
        self._optimizer.step()
        self.done += 1
        self._average.update_parameters(self._network)
        return StepLosses(label.item(), maps.item(), features.item())

    def _losses(self, logits: Tensor, seen: Seen, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the losses of the labels and of the maps."""
        smoothing = self._recipe.label_smoothing
        target = batch.positive.float() * (1 - smoothing) + smoothing / 2
        label = functional.binary_cross_entropy_with_logits(logits, target)
        assert seen.maps is not None
        window, cells = self._network.map_window(*batch.regions.shape[1:]), seen.maps.shape[2:]
        shares, counts = region_shares(batch.regions, window, (cells[0], cells[1]))
        return label, map_loss(seen.maps, shares, counts, self._recipe.region_weights)

    def _set_rate(self) -> None:
        rate = self._recipe.rate_at(self.done, self.done / self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["largest"]

    def _add_to_average(self, average: Tensors, latest: Tensors, _: Tensor | int) -> None:
        """Add the latest weights to the average; counters are replaced."""
        kept = self._recipe.average_weight(self.done)
        for old, new in zip(average, latest, strict=True):
            old.lerp_(new, 1 - kept) if old.is_floating_point() else old.copy_(new)

    def checkpoint(self) -> dict[str, Any]:
        """Return copies of the state."""
        state = {
            "done": self.done,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "imitation": self._imitation.state_dict() if self._imitation else {},
            "optimizer": self._optimizer.state_dict(),
        }
        return copy.deepcopy(state)

    def resume(self, checkpoint: dict[str, Any]) -> None:
        """Go on after the step at which the checkpoint was taken."""
        self.done = checkpoint["done"]
        self._network.load_state_dict(checkpoint["network"])
        self._average.load_state_dict(checkpoint["average"])
        if self._imitation:
            self._imitation.load_state_dict(checkpoint["imitation"])
        self._optimizer.load_state_dict(copy.deepcopy(checkpoint["optimizer"]))


def _parameter_groups(
    network: Network, imitation: Imitation | None, recipe: PretrainRecipe
) -> list[dict[str, Any]]:
    """Return the layers below the class maps that learn, and all others, with their largest rates."""
    below = {id(one) for one in network.features.parameters()}
    learning = [one for one in network.parameters() if one.requires_grad]
    above = [one for one in learning if id(one) not in below]
    above += [] if imitation is None else list(imitation.parameters())
    return [
        {"params": [one for one in learning if id(one) in below], "largest": recipe.feature_rate},
        {"params": above, "largest": recipe.learning_rate},
    ]
