"""Training steps on rendered frames: the loss, the rates, and the average of the weights.

Knows networks and batches. Does not know how frames are rendered, or files.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from flipbatch.models.network import Network
from flipbatch.training.augment import color_jitter, random_affine_with_labels
from flipbatch.training.frozen_blocks import speed_up_frozen
from flipbatch.training.pretrain_recipe import PretrainRecipe
from flipbatch.training.region_maps import map_loss, region_shares
from flipbatch.training.rendered_pool import Batch

Tensors = tuple[Tensor, ...] | list[Tensor]


class StepLosses(NamedTuple):
    """The losses of one step, before their weights.

    Attributes
    ----------
    label : float
        Cross-entropy of the labels, smoothed.
    maps : float
        Cross-entropy of the class maps.
    """

    label: float
    maps: float


class Pretraining:
    """The training of one network, which can go on from a checkpoint.

    Parameters
    ----------
    network : Network
        With class maps, on its device. It is changed, and is to be used by this object alone.
    recipe : PretrainRecipe
    steps : int
        The number of steps of the whole run: the rate falls to 0 at its end.

    Attributes
    ----------
    done : int
        Steps so far.
    """

    def __init__(self, network: Network, recipe: PretrainRecipe, steps: int) -> None:
        self._recipe, self._steps, self.done = recipe, steps, 0
        for layer in network.features[: recipe.frozen_blocks]:
            layer.requires_grad_(False)
        # Convolutions of the CPU and of tensor cores take channels last.
        self._network = cast(Any, network).to(memory_format=torch.channels_last).train()
        self._average = AveragedModel(network, multi_avg_fn=self._add_to_average, use_buffers=True)
        if next(network.parameters()).device.type == "cpu":
            speed_up_frozen(
                network.features, recipe.frozen_blocks, network.used_blocks, torch.get_num_threads()
            )
        self._optimizer = AdamW(_parameter_groups(network, recipe), weight_decay=recipe.weight_decay)
        self._device = next(network.parameters()).device

    @property
    def averaged(self) -> Network:
        """The network with the average of the weights, in evaluation mode."""
        return cast(Network, self._average.module).eval()

    def step(self, batch: Batch, generator: torch.Generator) -> StepLosses:
        """Train on one batch.

        Parameters
        ----------
        batch : Batch
        generator : torch.Generator
            Draws the augmentation, on the CPU. Dropout takes torch's own.
        """
        self._set_rate()
        pixels, regions = random_affine_with_labels(batch.pixels, batch.regions, generator)
        inputs = color_jitter(pixels.to(self._device).permute(0, 3, 1, 2), generator)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        logits, maps = self._network.with_maps(inputs)
        label_loss = self._label_loss(logits, batch.positive.to(self._device))
        dense_loss = self._map_loss(maps, regions.to(self._device))
        self._optimizer.zero_grad(set_to_none=True)
        (label_loss + self._recipe.map_weight * dense_loss).backward()
        self._optimizer.step()
        self.done += 1
        self._average.update_parameters(self._network)
        return StepLosses(label_loss.item(), dense_loss.item())

    def _label_loss(self, logits: Tensor, positive: Tensor) -> Tensor:
        smoothing = self._recipe.label_smoothing
        target = positive.float() * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, target)

    def _map_loss(self, maps: Tensor, regions: Tensor) -> Tensor:
        window = self._network.map_window(*regions.shape[1:])
        rows, columns = maps.shape[2:]
        shares, counts = region_shares(regions, window, (rows, columns))
        return map_loss(maps, shares, counts, self._recipe.region_weights)

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
        """Return the state, as copies on the CPU."""
        state = {
            "done": self.done,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        return copy.deepcopy(state)

    def resume(self, checkpoint: dict[str, Any]) -> None:
        """Go on after the step at which the checkpoint was taken."""
        self.done = checkpoint["done"]
        self._network.load_state_dict(checkpoint["network"])
        self._average.load_state_dict(checkpoint["average"])
        self._optimizer.load_state_dict(copy.deepcopy(checkpoint["optimizer"]))


def _parameter_groups(network: Network, recipe: PretrainRecipe) -> list[dict[str, Any]]:
    """Return the layers below the class maps that learn, and all others, with their largest rates."""
    below = {id(one) for one in network.features.parameters()}
    learning = [one for one in network.parameters() if one.requires_grad]
    return [
        {"params": [one for one in learning if id(one) in below], "largest": recipe.feature_rate},
        {"params": [one for one in learning if id(one) not in below], "largest": recipe.learning_rate},
    ]


@torch.inference_mode()
def logits_of(network: nn.Module, pixels: Tensor, batch_size: int) -> Tensor:
    """Return the logits of frames, (N,), float32, on the CPU.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    pixels : Tensor
        (N, height, width, 3), uint8 RGB.
    batch_size : int
        Frames at a time.
    """
    device = next(network.parameters()).device
    parts = [network(some.to(device).permute(0, 3, 1, 2)).float().cpu() for some in pixels.split(batch_size)]
    return torch.cat(parts)
