"""Facts about exported ONNX files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import flipbatch
from flipbatch.cli import main
from flipbatch.commands.export import rendered_frames
from flipbatch.frames.fitting import InputSize
from flipbatch.models import onnx_export
from flipbatch.models.bundle import load_bundle
from flipbatch.models.precision import has_bfloat16
from flipbatch.models.predictor import Predictor, reference_engine
from flipbatch.models.pretrained import locate_bundle

OUTSIDE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
frames = numpy.load(sys.argv[2])
for count in (1, len(frames)):
    (found,) = session.run(None, {"pixels": frames[:count]})
    assert found.shape == (count,) and found.dtype == numpy.float32
numpy.save(sys.argv[3], found)
assert not {"flipbatch", "torch"} & sys.modules.keys()
"""


@pytest.fixture(scope="module", params=["cnn_model", "mobilenet_v2"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a shipped bundle, and its ONNX file."""
    uri, path = f"pretrained:{request.param}", tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert main(["export", uri, "--format", "onnx", "--out", str(path)]) == 0
    return uri, path


def expected_probabilities(uri: str, frames: np.ndarray) -> np.ndarray:
    """Return what the bundle predicts, in float32: bfloat16 differs by thousandths."""
    if has_bfloat16():
        bundle = load_bundle(uri)[0]
        return Predictor(bundle, reference_engine(bundle)).probabilities(frames)
    return flipbatch.load_model(uri).predict(list(frames))["flip_probability"].to_numpy()


def test_the_file_gives_the_probabilities_of_the_bundle_outside_flipbatch(
    exported: tuple[str, Path], tmp_path: Path
) -> None:
    uri, path = exported
    frames = rendered_frames(InputSize(240, 135))[:7]
    np.save(tmp_path / "frames.npy", frames)
    files = [str(path), str(tmp_path / "frames.npy"), str(tmp_path / "found.npy")]
    subprocess.run([sys.executable, "-c", OUTSIDE, *files], check=True, cwd=tmp_path)
    expected = expected_probabilities(uri, frames)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-4)


def test_the_file_says_what_it_is(exported: tuple[str, Path]) -> None:
    uri, path = exported
    bundle, fingerprint = load_bundle(locate_bundle(uri))
    said = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    assert said["flipbatch.bundle"] == fingerprint
    assert float(said["flipbatch.threshold"]) == bundle.calibration.threshold
    assert said["flipbatch.input"] == "uint8 RGB (N, 240, 135, 3), values 0 to 255"
    assert json.loads(said["flipbatch.classes"]) == ["notflip", "flip"]
    assert json.loads(said["flipbatch.input_size"]) == [240, 135]


def test_the_file_has_no_path_of_this_machine(exported: tuple[str, Path]) -> None:
    folder = Path(onnx_export.__file__).parents[1]
    assert str(folder).encode() not in exported[1].read_bytes()


def test_a_file_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_export, "largest_difference", lambda *_: 2e-4)
    out = tmp_path / "model.onnx"
    assert main(["export", "pretrained:cnn_model", "--out", str(out)]) == 1
    assert "would give other probabilities, by up to 2.0e-04: nothing was written" in capsys.readouterr().err
    assert not out.exists()


def test_without_onnx_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", "pretrained:cnn_model", "--out", f"{tmp_path}/model.onnx"]) == 1
    assert "pip install onnx onnxruntime onnxscript" in capsys.readouterr().err
