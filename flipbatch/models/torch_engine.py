"""Pixels become logits by torch: on a GPU, or on a CPU in float32 as the reference of all other engines.

Knows devices and number formats. Does not know calibration or Ray.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flipbatch.models.bundle import Bundle
from flipbatch.models.engine_identity import EngineIdentity
from flipbatch.models.precision import Device, Precision, fastest_precision

_TORCH_TYPES: dict[Precision, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}

FRAMES_AT_A_TIME = {"cpu": 8, "cuda": 256}
"""On a CPU activations should stay in the cache; a GPU needs enough work at once."""


class TorchEngine:
    """A bundle's network, run by torch.

    Parameters
    ----------
    bundle : Bundle
    device : {"cpu", "cuda"}
        A GPU computes in bfloat16 where it does so natively, else in float16; a CPU computes in float32.

    Attributes
    ----------
    identity : EngineIdentity

    Raises
    ------
    BundleError
        If the weights do not fit the architecture.
    """

    def __init__(self, bundle: Bundle, device: Device) -> None:
        self._device = torch.device(device)
        self._frames_at_a_time = FRAMES_AT_A_TIME[device]
        network = bundle.network().to(self._device)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        precision = fastest_precision("cuda") if device == "cuda" else "float32"
        self.identity = EngineIdentity.here("torch", device, precision)
        self._autocast_type = _TORCH_TYPES.get(precision)

    @torch.inference_mode()
    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return one logit per frame, (N,), float32, of (N, height, width, 3), uint8, RGB."""
        chunks = torch.from_numpy(pixels).split(self._frames_at_a_time) if len(pixels) else ()
        # All chunks are sent before the first result is waited for.
        logits = [self._forward(chunk) for chunk in chunks]
        return torch.cat([torch.empty(0), *(chunk.float().cpu() for chunk in logits)]).numpy()

    def _forward(self, chunk: Tensor) -> Tensor:
        if self._device.type == "cuda":
            chunk = chunk.pin_memory()
        # (N, H, W, 3) viewed as (N, 3, H, W) is channels_last already: nothing is copied.
        pixels = chunk.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        dtype = self._autocast_type
        with torch.autocast(self._device.type, dtype=dtype, enabled=dtype is not None):
            return self._network(pixels)
