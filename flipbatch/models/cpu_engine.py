"""Pixels become logits on one CPU core, by OpenVINO.

Knows how a graph is compiled for the CPU that it finds itself on; knows no torch, no calibration, no Ray.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from openvino import Core

from flipbatch.models.bundle import Bundle
from flipbatch.models.inference_graph import inference_graph

FRAMES_AT_A_TIME = 4
"""Their activations stay in the cache: with all cores at work, 8 frames of MobileNetV2 cost 4 % more each."""


class CpuEngine:
    """A bundle's network, compiled.

    Parameters
    ----------
    bundle : Bundle
    half : bool, optional
        Whether to compute in bfloat16, with sums in float32; by default where the CPU can.

    Raises
    ------
    BundleError
        Where the weights do not fit the architecture.
    """

    def __init__(self, bundle: Bundle, half: bool | None = None) -> None:
        core, size = Core(), bundle.input_size
        half = has_bfloat16() if half is None else half
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
            # One core an actor, and which one is the operating system's to say: two pinned actors may meet.
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        model = core.compile_model(inference_graph(bundle, FRAMES_AT_A_TIME), "CPU", settings)
        self._request = model.create_infer_request()
        self._last = np.zeros((FRAMES_AT_A_TIME, size.height, size.width, 3), np.uint8)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return one logit a frame.

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


def has_bfloat16() -> bool:
    """Say whether this CPU computes in bfloat16 natively, as AVX512-BF16 and AMX do."""
    return "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
