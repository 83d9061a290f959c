"""Pixels become logits on one CPU core, by OpenVINO.

Knows how to compile a graph for this machine's CPU. Does not know torch, calibration or Ray.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from openvino import Core

from flipbatch.models.bundle import Bundle
from flipbatch.models.engine_identity import EngineIdentity
from flipbatch.models.inference_graph import inference_graph
from flipbatch.models.precision import Precision, fastest_precision

_OPENVINO_NAMES: dict[Precision, str] = {"bfloat16": "bf16", "float32": "f32"}

FRAMES_AT_A_TIME = 4
"""Activations of 4 stay in the cache: on busy cores, a frame of MobileNetV2 costs 4 % more with 8."""


class CpuEngine:
    """A bundle's network, compiled for this CPU.

    Parameters
    ----------
    bundle : Bundle
    precision : {"bfloat16", "float32"}, optional
        The number format of multiplications; sums are float32. By default bfloat16 where the CPU has it.

    Attributes
    ----------
    identity : EngineIdentity

    Raises
    ------
    BundleError
        If the weights do not fit the architecture.
    """

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        core, size = Core(), bundle.input_size
        precision = precision or fastest_precision("cpu")
        self.identity = EngineIdentity.here("openvino", "cpu", precision)
        settings = {
            "INFERENCE_PRECISION_HINT": _OPENVINO_NAMES[precision],
            # One core an actor, chosen by the operating system: two pinned actors may share one.
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        model = core.compile_model(inference_graph(bundle, FRAMES_AT_A_TIME), "CPU", settings)
        self._request = model.create_infer_request()
        self._last = np.zeros((FRAMES_AT_A_TIME, size.height, size.width, 3), np.uint8)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return one logit per frame.

        Parameters
        ----------
        pixels : ndarray
            (N, height, width, 3), uint8, RGB.

        Returns
        -------
        ndarray
            (N,), float32.
        """
        logits = np.empty(len(pixels), np.float32)
        for start in range(0, len(pixels), FRAMES_AT_A_TIME):
            frames = pixels[start : start + FRAMES_AT_A_TIME]
            logits[start : start + len(frames)] = self._infer(frames)[: len(frames)]
        return logits

    def _infer(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if len(frames) < FRAMES_AT_A_TIME:
            self._last[: len(frames)] = frames
            frames = self._last
        return self._request.infer([np.ascontiguousarray(frames)], share_inputs=True, share_outputs=True)[0]
