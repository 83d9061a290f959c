"""Batches of uint8 pixels become calibrated probabilities.

Knows a bundle and a device; knows no Ray, no files and no decoding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from flipbatch.errors import BundleError
from flipbatch.models.bundle import Bundle

_FRAMES_AT_A_TIME = {"cpu": 16, "cuda": 256}
"""On a CPU a chunk's activations should stay in the cache; a GPU wants enough work at once."""


class Predictor:
    """A bundle, ready to predict.

    Parameters
    ----------
    bundle : Bundle
    device : {"cpu", "cuda"}
    """

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        self.name = bundle.name
        self.input_size = bundle.input_size
        self._calibration = bundle.calibration
        self._device = torch.device(device)
        self._chunk = _FRAMES_AT_A_TIME[device]
        network = bundle.network().to(self._device)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Predict.

        Parameters
        ----------
        pixels : ndarray
            (N, height, width, 3), uint8, RGB, of the bundle's input size.

        Returns
        -------
        ndarray
            (N,), float32, 0 to 1: the calibrated probability of a flip.

        Raises
        ------
        ValueError
            For pixels of another type or shape.
        BundleError
            Where the network gives NaN.
        """
        shape = (len(pixels), self.input_size.height, self.input_size.width, 3)
        if pixels.dtype != np.uint8 or pixels.shape != shape:
            raise ValueError(f"{self.name} takes uint8 pixels {shape}, not {pixels.dtype} {pixels.shape}.")
        starts = range(0, len(pixels), self._chunk)
        chunks = [self._logits(pixels[start : start + self._chunk]) for start in starts]
        logits = np.concatenate(chunks or [np.empty(0, np.float32)])
        if not np.isfinite(logits).all():
            raise BundleError(
                f"The model {self.name} gives no numbers: its weights are damaged. Train it again."
            )
        return self._calibration.probabilities(logits)

    @torch.inference_mode()
    def _logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        # (N, H, W, 3) seen as (N, 3, H, W) is channels_last already: nothing is copied.
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)
        return self._network(batch).float().cpu().numpy()
