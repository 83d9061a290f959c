"""The training loop: epochs until nothing improves, then the best weights.

Knows the loop, its phases, the content of checkpoints and early stopping. Does not know Ray or storage: the
caller says where checkpoints go. On several ranks, all do the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW

from flipbatch.errors import InputError, JobError
from flipbatch.training.distributed import (
    average_statistics,
    is_distributed,
    rank,
    trains_statistics,
    world_size,
)
from flipbatch.training.early_stopping import EarlyStopping
from flipbatch.training.epoch import (
    Loss,
    PassMetrics,
    evaluate,
    shuffled_batches,
    steps_per_epoch,
    train_epoch,
)
from flipbatch.training.frame_cache import FrameCache
from flipbatch.training.recipes import Recipe

Weights = dict[str, Tensor]
Checkpoint = dict[str, Any]
Report = Callable[[dict[str, Any], Checkpoint], None]


LARGEST_RENDERED_SHARE = 0.95
"""Twenty times as many frames as there are take minutes to render."""


@dataclass(frozen=True)
class Settings:
    """The settings of a training run that a user may choose.

    Attributes
    ----------
    epochs : int
        The most epochs.
    patience : int
        Epochs without improvement of the validation loss after which training stops.
    min_delta : float
        The validation loss must fall by more than this to count as an improvement.
    seed : int
    rendered_share : float
        Share of rendered frames among the training frames, 0 to `LARGEST_RENDERED_SHARE`.

    Raises
    ------
    InputError
        If the share is out of its range.
    """

    epochs: int = 40
    patience: int = 8
    min_delta: float = 0.0
    seed: int = 0
    rendered_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rendered_share <= LARGEST_RENDERED_SHARE:
            raise InputError(
                f"The share of rendered frames is {self.rendered_share}: use 0 to {LARGEST_RENDERED_SHARE}."
            )


@dataclass(frozen=True)
class Fitted:
    """The result of a training run.

    Attributes
    ----------
    weights : dict of str to Tensor
        State dict of the best epoch, on the CPU.
    best_epoch : int
        Counted from 0.
    stopped_early : bool
        Whether epochs were left.
    history : list of dict
        One entry per finished epoch: ``epoch``, ``train`` and ``val`` metrics, ``improved``, ``low_res``, and
        the ``learning_rate`` of the head after the epoch's last step.
    """

    weights: Weights
    best_epoch: int
    stopped_early: bool
    history: list[dict[str, Any]]


class Fit:
    """A training run that can be resumed after any epoch.

    Parameters
    ----------
    network : nn.Module
        On its device. Layers below its ``head`` may be frozen for a while; those of ``features`` learn at the
        recipe's `feature_rate`.
    train, val : FrameCache
        This rank's share.
    loss : Loss
    recipe : Recipe
    settings : Settings

    Attributes
    ----------
    batches : Batches
        What a step takes on this rank.
    """

    def __init__(
        self,
        network: nn.Module,
        train: FrameCache,
        val: FrameCache,
        loss: Loss,
        recipe: Recipe,
        settings: Settings,
    ) -> None:
        self._network, self._train, self._val, self._loss = network, train, val, loss
        self._recipe, self._settings = recipe, settings
        self._device = next(network.parameters()).device
        self.batches = recipe.batches(world_size(), trains_statistics(network.train()))
        self._steps = steps_per_epoch(train, self.batches.frames_per_rank, self._device)
        self._optimizer = AdamW(self._parameter_groups(), weight_decay=recipe.weight_decay, fused=True)
        self._stopping: EarlyStopping[Weights] = EarlyStopping(settings.patience, settings.min_delta)
        self._history: list[dict[str, Any]] = []
        self._low_res_epochs = int(recipe.low_res_share * settings.epochs)
        if self._low_res_epochs:
            self._low_res = train.halved(), val.halved()
        self._embedded: tuple[FrameCache, FrameCache] | None = None

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on after the epoch at whose end the checkpoint was taken."""
        self._network.load_state_dict(checkpoint["network"])
        # The optimizer would use the very tensors of the checkpoint.
        self._optimizer.load_state_dict(copy.deepcopy(checkpoint["optimizer"]))
        self._stopping.load_state_dict(checkpoint["early_stopping"])
        self._history = list(checkpoint["history"])

    def run(self, report: Report) -> Fitted:
        """Train until early stopping or the last epoch.

        Parameters
        ----------
        report : callable
            Called after each epoch with its history entry and a checkpoint; on every rank.

        Raises
        ------
        JobError
            If the validation loss was never a number.
        """
        for epoch in range(len(self._history), self._settings.epochs):
            if self._stopping.should_stop:
                break
            self._history.append(self._epoch(epoch))
            report(self._history[-1], self._checkpoint())
        if self._stopping.best_state is None or self._stopping.best_epoch is None:
            raise JobError(
                "Training diverged: the validation loss was never a number. Try other frames or --seed."
            )
        return Fitted(
            weights=self._stopping.best_state,
            best_epoch=self._stopping.best_epoch,
            stopped_early=len(self._history) < self._settings.epochs,
            history=self._history,
        )

    def _epoch(self, epoch: int) -> dict[str, Any]:
        # Every draw depends on seed, epoch and rank alone: an epoch that is repeated gives the same weights.
        seed = (self._settings.seed * 10_007 + epoch) * 10_007 + rank()
        generator = torch.Generator().manual_seed(seed % 2**63)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        low_res, frozen = epoch < self._low_res_epochs, epoch < self._recipe.frozen_epochs
        train_frames, val_frames = self._frames(low_res, frozen)
        network = _Head(self._network) if frozen else self._network
        train = self._train_epoch(epoch, network, train_frames, generator)
        average_statistics(self._network)
        val, _ = evaluate(network, val_frames, self._loss, self._device)
        improved = not low_res and self._stopping.update(epoch, val.loss, self._weights)
        passes = {"train": train.to_json(), "val": val.to_json()}
        rate = self._optimizer.param_groups[-1]["lr"]
        return {"epoch": epoch, **passes, "improved": improved, "low_res": low_res, "learning_rate": rate}

    def _frames(self, low_res: bool, frozen: bool) -> tuple[FrameCache, FrameCache]:
        """Return what an epoch trains and validates on."""
        if not frozen:
            self._embedded = None  # the layers below the head change: their old outputs are worth nothing
            return self._low_res if low_res else (self._train, self._val)
        if self._embedded is None:
            embed = cast(Any, self._network.eval()).embed
            train, val = (one.embedded(embed, self._device) for one in (self._train, self._val))
            self._embedded = train, val
        return self._embedded

    def _train_epoch(
        self, epoch: int, network: nn.Module, frames: FrameCache, generator: torch.Generator
    ) -> PassMetrics:
        step = 0

        def next_rate() -> None:
            nonlocal step
            step += 1
            self._set_rate(epoch + step / self._steps)

        self._set_rate(epoch)
        batches = shuffled_batches(len(frames), self.batches.frames_per_rank, self._steps, generator)
        forward = _averaging(network.train())
        return train_epoch(forward, frames, self._optimizer, self._loss, batches, generator, next_rate)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        features = list(cast(nn.Module, self._network.features).parameters())
        slow = {id(parameter) for parameter in features}
        others = [parameter for parameter in self._network.parameters() if id(parameter) not in slow]
        return [
            {"params": features, "share": self._recipe.feature_rate},
            {"params": others, "share": 1.0},
        ]

    def _set_rate(self, epoch: float) -> None:
        largest = self._recipe.learning_rate * self.batches.rate_factor
        rate = largest * self._recipe.rate_at(epoch, self._settings.epochs)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["share"]

    def _weights(self) -> Weights:
        return {name: value.detach().cpu().clone() for name, value in self._network.state_dict().items()}

    def _checkpoint(self) -> Checkpoint:
        return {
            "network": self._weights(),
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
            "early_stopping": self._stopping.state_dict(),
            "history": list(self._history),
        }


class _Head(nn.Module):
    """A network's head alone: it takes the features that the frozen layers below gave once for all epochs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.head = cast(nn.Module, network.head)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features).squeeze(1)


def _averaging(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a network in training mode whose gradients are averaged over ranks."""
    if not is_distributed():
        return network
    # A broadcast before each step would replace the statistics of all ranks by those of rank 0. Each rank
    # gathers its own, and `average_statistics` pools them.
    return DistributedDataParallel(network, broadcast_buffers=False)


def describe(recipe: Recipe, settings: Settings) -> dict[str, Any]:
    """Return the recipe and the settings as plain JSON values."""
    return {**asdict(recipe), **asdict(settings)}
