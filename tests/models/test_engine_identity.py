"""Engines say what their probabilities depend on."""

import json
import subprocess
import sys

import pytest
import torch

from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.models.bundle import Bundle, as_arrays
from flipbatch.models.cnn_model import CnnModel
from flipbatch.models.cpu_engine import CpuEngine
from flipbatch.models.engine_identity import EngineIdentity, engine_identity
from flipbatch.models.precision import fastest_precision, has_bfloat16
from flipbatch.models.predictor import Predictor, reference_engine

VERSIONS = {"flipbatch": "1", "flipbatch_jpeg": "1", "simplejpeg": "2", "pillow": "3", "torch": "4"}


@pytest.fixture(scope="module")
def bundle():
    return Bundle("mine", "cnn_model", InputSize(64, 48), Calibration(), as_arrays(CnnModel().state_dict()))


def test_the_identity_of_a_device_is_that_of_its_fastest_engine(bundle):
    assert Predictor(bundle).engine == engine_identity("cpu")


def test_a_cpu_engine_says_its_precision(bundle):
    assert engine_identity("cpu").precision == ("bfloat16" if has_bfloat16() else "float32")
    exact = Predictor(bundle, CpuEngine(bundle, precision="float32")).engine
    assert (exact.engine, exact.device, exact.precision) == ("openvino", "cpu", "float32")
    assert exact.versions.keys() == {"flipbatch", "flipbatch_jpeg", "simplejpeg", "pillow", "openvino"}


def test_the_reference_engine_has_an_identity_of_its_own(bundle):
    reference = Predictor(bundle, reference_engine(bundle)).engine
    assert (reference.engine, reference.device, reference.precision) == ("torch", "cpu", "float32")
    assert reference.versions.keys() == {"flipbatch", "flipbatch_jpeg", "simplejpeg", "pillow", "torch"}


@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float16(monkeypatch, native, precision):
    # No GPU is needed: torch answers for the hardware. A T4 says yes with emulation and no without.
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native
    )
    assert fastest_precision("cuda") == precision
    assert engine_identity("cuda").precision == precision


def test_json_and_back_gives_the_same_identity():
    identity = EngineIdentity("torch", "cuda", "float16", VERSIONS)
    assert EngineIdentity.from_json(json.loads(json.dumps(identity.to_json()))) == identity


def test_any_other_part_is_another_identity():
    one = EngineIdentity("torch", "cuda", "float16", VERSIONS)
    others = [
        EngineIdentity("openvino", "cuda", "float16", VERSIONS),
        EngineIdentity("torch", "cpu", "float16", VERSIONS),
        EngineIdentity("torch", "cuda", "bfloat16", VERSIONS),
        EngineIdentity("torch", "cuda", "float16", VERSIONS | {"pillow": "3.1"}),
    ]
    assert one not in others


def test_a_message_names_an_identity_in_one_line():
    text = str(EngineIdentity("torch", "cuda", "float16", VERSIONS))
    assert text == "torch on cuda in float16 (flipbatch 1, flipbatch_jpeg 1, simplejpeg 2, pillow 3, torch 4)"


@pytest.mark.parametrize("value", [None, [], {}, {"engine": "torch"}, "torch"], ids=str)
def test_json_that_is_not_an_identity_is_refused(value):
    with pytest.raises(ValueError, match="is not the identity of an engine"):
        EngineIdentity.from_json(value)


@pytest.mark.parametrize("change", [{"engine": "tf"}, {"device": 1}, {"precision": None}, {"versions": 3}])
def test_an_identity_with_unknown_values_is_refused(change):
    known = EngineIdentity("torch", "cuda", "float16", VERSIONS).to_json()
    with pytest.raises(ValueError, match="is not the identity of an engine"):
        EngineIdentity.from_json(known | change)


def test_the_identity_of_a_cpu_needs_no_torch():
    code = (
        "import sys; from flipbatch.models.engine_identity import engine_identity; engine_identity('cpu'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
