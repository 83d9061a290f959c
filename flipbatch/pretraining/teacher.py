"""A trained network that another one imitates, and its outputs.

Knows networks and how a CPU runs them fast. Does not know losses, frames or files.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from flipbatch.models.network import Network, Seen
from flipbatch.pretraining.frozen_blocks import speed_up_frozen


class TeacherOutputs(NamedTuple):
    """The outputs of a teacher for N frames, without gradients.

    Attributes
    ----------
    logits : Tensor
        (N,), floating-point.
    seen : Seen
        With class maps and levels, of the same type.
    """

    logits: Tensor
    seen: Seen

    def to(self, device: torch.device, dtype: torch.dtype) -> TeacherOutputs:
        """Return the outputs on a device, in a floating-point type."""
        return TeacherOutputs(*_unpacked([one.to(device, dtype) for one in self.tensors]))

    def rows(self, rows: Tensor) -> TeacherOutputs:
        """Return the outputs for some frames, given their numbers, int64 (M,)."""
        return TeacherOutputs(*_unpacked([one[rows] for one in self.tensors]))

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, the first dimension of each being N."""
        assert self.seen.maps is not None
        return [self.logits, self.seen.features, self.seen.maps, *self.seen.levels]

    def room_for(self, frames: int, device: torch.device, dtype: torch.dtype) -> TeacherOutputs:
        """Return room for the outputs of so many frames, not filled."""
        shapes = [(frames, *one.shape[1:]) for one in self.tensors]
        return TeacherOutputs(
            *_unpacked([torch.empty(shape, device=device, dtype=dtype) for shape in shapes])
        )


def _unpacked(tensors: list[Tensor]) -> tuple[Tensor, Seen]:
    """Return the fields of `TeacherOutputs`, given its `tensors`."""
    logits, features, maps, *levels = tensors
    return logits, Seen(features, maps, tuple(levels))


class Teacher:
    """A trained network, which does not change.

    Parameters
    ----------
    network : Network
        With class maps. It is copied.
    device : torch.device

    Attributes
    ----------
    network : Network
        The copy, in evaluation mode.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False).to(device)
        self._fast = self.network
        if device.type == "cpu":
            self._fast = copy.deepcopy(self.network)
            features = self._fast.features
            speed_up_frozen(features, len(features), network.used_blocks, torch.get_num_threads())

    @torch.no_grad()
    def outputs(self, pixels: Tensor) -> TeacherOutputs:
        """Return the outputs for pixels (N, 3, H, W) as `Network.forward` takes, float32, on the device.

        On a CPU, all calls have the shape of the first one.
        """
        seen = self._fast.look(pixels)
        return TeacherOutputs(self._fast.logits(seen), seen)
