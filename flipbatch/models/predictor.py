"""Batches of uint8 pixels become calibrated probabilities.

Knows bundles and engines. Does not know Ray, files or decoding.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from flipbatch.errors import BundleError
from flipbatch.models.bundle import Bundle
from flipbatch.models.engine_identity import EngineIdentity
from flipbatch.models.precision import Device


class Engine(Protocol):
    """Runs a network.

    Attributes
    ----------
    identity : EngineIdentity
    """

    identity: EngineIdentity

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return one logit per frame, (N,), float32, of (N, height, width, 3), uint8, RGB."""
        ...


def fastest_engine(bundle: Bundle, device: Device = "cpu") -> Engine:
    """Return the fastest engine for a device, ``cpu`` or ``cuda``.

    It imports only the engine that it returns: scoring on CPUs needs no torch.
    """
    if device == "cpu":
        from flipbatch.models.cpu_engine import CpuEngine

        return CpuEngine(bundle)
    return reference_engine(bundle, device)


def reference_engine(bundle: Bundle, device: Device = "cpu") -> Engine:
    """Return the torch engine: on ``cpu`` in float32, the reference for the fastest engine."""
    from flipbatch.models.torch_engine import TorchEngine

    return TorchEngine(bundle, device)


class Predictor:
    """A bundle and the engine that runs it.

    Parameters
    ----------
    bundle : Bundle
    engine : Engine, optional
        By default the fastest on this CPU.

    Attributes
    ----------
    name : str
        The model's name in tables.
    input_size : InputSize
        The size of the frames that it takes.
    engine : EngineIdentity
        The identity of the engine that runs it.
    """

    def __init__(self, bundle: Bundle, engine: Engine | None = None) -> None:
        self.name = bundle.name
        self.input_size = bundle.input_size
        self._calibration = bundle.calibration
        self._engine = engine or fastest_engine(bundle)
        self.engine = self._engine.identity

    def probabilities(
        self, pixels: npt.NDArray[np.uint8], offsets: npt.NDArray[np.float64] | float = 0.0
    ) -> npt.NDArray[np.float32]:
        """Return calibrated probabilities of a flip.

        Parameters
        ----------
        pixels : ndarray
            (N, height, width, 3), uint8, RGB, of the bundle's input size.
        offsets : ndarray or float
            (N,), float64: subtracted from the calibrated logits.

        Returns
        -------
        ndarray
            (N,), float32, 0 to 1.

        Raises
        ------
        ValueError
            If the pixels have another type or shape.
        BundleError
            If the network returns NaN or infinity.
        """
        shape = (len(pixels), self.input_size.height, self.input_size.width, 3)
        if pixels.dtype != np.uint8 or pixels.shape != shape:
            raise ValueError(f"{self.name} takes uint8 pixels {shape}, not {pixels.dtype} {pixels.shape}.")
        logits = self._engine.logits(pixels)
        if not np.isfinite(logits).all():
            raise BundleError(
                f"The model {self.name} returns NaN or infinity: its weights are damaged. Train it anew."
            )
        return self._calibration.probabilities(logits, offsets)
