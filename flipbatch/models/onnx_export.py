"""A bundle becomes one ONNX file: from fitted pixels to calibrated probabilities.

The graph takes uint8 RGB frames (N, height, width, 3) and returns float32 probabilities (N,): normalisation,
network and calibration are inside. How a picture is fitted to the input is in the file's metadata. A file is
written only after ONNX Runtime has computed what the bundle computes.

Knows bundles, torch and ONNX. Does not know frames' files, how frames are rendered, or scoring.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from flipbatch import storage
from flipbatch.errors import BundleError, InputError
from flipbatch.frames.fitting import InputSize
from flipbatch.models.bundle import Bundle, load_bundle
from flipbatch.models.predictor import Predictor, reference_engine
from flipbatch.models.preprocessing import preprocessing
from flipbatch.models.pretrained import locate_bundle
from flipbatch.runtime.versions import VERSION
from flipbatch.schema import Label

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST_DIFFERENCE = 1e-4
"""Between the file's probabilities and the bundle's. The largest seen on 403 real frames is 7.6e-5."""

OPSET = 18
"""The version of the operators: ONNX Runtime reads it since 1.14, of 2023."""

INPUT, OUTPUT = "pixels", "flip_probability"
CHECKED_FRAMES = 7

FITTING = (
    "Turn the picture upright (Exif). It keeps its aspect and gets the largest size that fits inside the "
    "input: decode a JPEG at the smallest of the scales 1/8, 2/8, 4/8 and 8/8 that covers this size, then "
    "resize with an antialiased bicubic filter (Pillow's BICUBIC). Centre it, and fill the bars with the "
    "padding."
)
"""How a picture gets into the input: what `frames.fitting` does, for programs without flipbatch."""


class _Calibrated(nn.Module):
    """A bundle's network with its calibration."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.network = bundle.network().eval()
        self.temperature, self.offset = bundle.calibration.temperature, bundle.calibration.offset

    def forward(self, pixels: Tensor) -> Tensor:
        logits = self.network(pixels.permute(0, 3, 1, 2))
        return torch.sigmoid(logits.float() / self.temperature + self.offset)


def export_onnx(
    bundle_uri: str, out: str, frames_of: Callable[[InputSize], npt.NDArray[np.uint8]] | None = None
) -> float:
    """Write a bundle as an ONNX file.

    Parameters
    ----------
    bundle_uri : str
        A bundle, or ``pretrained:NAME``.
    out : str
        The file: a path or any URI.
    frames_of : callable, optional
        Returns the frames that the file is checked on, besides random ones: (N, height, width, 3), uint8,
        RGB, of an input size.

    Returns
    -------
    float
        The largest difference of a probability between ONNX Runtime and the bundle.

    Raises
    ------
    BundleError
        If the bundle can't be used, or the file would give other probabilities.
    InputError
        If ONNX is not installed.
    StorageError
    """
    _require_onnx()
    bundle, fingerprint = load_bundle(locate_bundle(bundle_uri))
    data = _with_metadata(_exported(bundle), _metadata(bundle, fingerprint))
    difference = max(largest_difference(data, bundle, frames) for frames in _checks(bundle, frames_of))
    if not difference <= LARGEST_DIFFERENCE:
        raise BundleError(
            f"The ONNX file of {bundle.name} would give other probabilities, by up to {difference:.1e}: "
            "nothing was written. Other versions of torch or onnx may do better."
        )
    storage.write(storage.normalise_file(out), data)
    return difference


def _require_onnx() -> None:
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        install = "pip install onnx onnxruntime onnxscript"
        raise InputError(f"{error.name} is not installed: {install}.") from error
    del onnx, onnxruntime, onnxscript


def _exported(bundle: Bundle) -> ModelProto:
    size = bundle.input_size
    example = torch.zeros((2, size.height, size.width, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        _Calibrated(bundle).eval(),
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("frames")},),
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _metadata(bundle: Bundle, fingerprint: str) -> dict[str, str]:
    size = bundle.input_size
    return {
        "flipbatch.name": bundle.name,
        "flipbatch.architecture": bundle.architecture,
        "flipbatch.bundle": fingerprint,
        "flipbatch.version": VERSION,
        "flipbatch.input": f"uint8 RGB (N, {size.height}, {size.width}, 3), values 0 to 255",
        "flipbatch.input_size": json.dumps([size.height, size.width]),
        "flipbatch.output": f"float32 (N,): calibrated probability of {Label.FLIP}",
        "flipbatch.classes": json.dumps([Label.NOTFLIP, Label.FLIP]),
        "flipbatch.threshold": repr(bundle.calibration.threshold),
        "flipbatch.fitting": FITTING,
        "flipbatch.preprocessing": json.dumps(preprocessing(), sort_keys=True),
    }


def _with_metadata(model: ModelProto, metadata: dict[str, str]) -> bytes:
    """Return the file, without what the exporter adds to each operator: it has paths of this machine."""
    import onnx

    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _checks(
    bundle: Bundle, frames_of: Callable[[InputSize], npt.NDArray[np.uint8]] | None
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the batches of the check, one of them of a single frame."""
    frames = _random_frames(bundle)
    yield from (frames, frames[:1])
    if frames_of is not None:
        yield frames_of(bundle.input_size)


def largest_difference(data: bytes, bundle: Bundle, pixels: npt.NDArray[np.uint8]) -> float:
    """Return by how much probabilities of an ONNX file and of its bundle differ, at most.

    Parameters
    ----------
    data : bytes
        The file.
    bundle : Bundle
    pixels : ndarray
        (N, height, width, 3), uint8, RGB.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found: Any = session.run([OUTPUT], {INPUT: pixels})[0]
    expected = Predictor(bundle, reference_engine(bundle)).probabilities(pixels)
    return float(np.abs(found - expected).max(initial=0.0))


def _random_frames(bundle: Bundle) -> npt.NDArray[np.uint8]:
    """Return frames of large and small structures: cells of 1 to 60 pixels of random colours."""
    size, rng = bundle.input_size, np.random.default_rng(0)
    frames = []
    for cell in np.geomspace(1, 60, CHECKED_FRAMES).astype(int):
        rows, columns = -(-size.height // cell), -(-size.width // cell)
        colours = rng.integers(0, 256, (rows, columns, 3), np.uint8)
        frames.append(colours.repeat(cell, 0).repeat(cell, 1)[: size.height, : size.width])
    return np.stack(frames)
