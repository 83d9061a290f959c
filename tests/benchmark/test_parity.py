"""F1 and probabilities of the fast path are close to those of the reference path."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from flipbatch.benchmark.parity import decode_whole, frames_with_other_pixels, parity
from flipbatch.benchmark.training import cached
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import PAD_COLOUR, InputSize
from flipbatch.frames.manifest import list_frames
from flipbatch.models.architectures import EIGHTH, architecture
from flipbatch.models.bundle import Bundle, as_arrays
from flipbatch.training.epoch import Loss
from flipbatch.training.fit import Fit, Settings
from flipbatch.training.recipes import Recipe
from tests.conftest import write_frames

LARGEST_F1_CHANGE = 0.002
LARGEST_PROBABILITY_CHANGE = 0.1


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return list_frames(str(write_frames(tmp_path_factory.mktemp("parity"), videos=8, frames=6))).frames


@pytest.mark.parametrize("name", ["cnn_model", pytest.param("mobilenet_v2", marks=pytest.mark.slow)])
def test_f1_and_probabilities_of_a_trained_model_hardly_change(name, frames):
    torch.manual_seed(0)
    network, cache = architecture(name).build(), cached(frames, EIGHTH)
    epochs = {"cnn_model": 8, "mobilenet_v2": 2}[name]
    fit = Fit(network, cache, cache, Loss(48, 48), Recipe(4e-3, batch_size=8), Settings(epochs=epochs))
    weights = as_arrays(fit.run(lambda *_: None).weights)
    bundle = Bundle(name, name, EIGHTH, Calibration(), weights)
    found = parity(bundle, frames["uri"].to_pylist(), frames["label"].to_pylist())
    assert found["f1_change"] is not None
    assert found["f1_change"] <= LARGEST_F1_CHANGE
    assert 0 < (found["largest_probability_change"] or 0) < LARGEST_PROBABILITY_CHANGE


def test_the_change_of_f1_is_none_without_labels(frames):
    weights = as_arrays(architecture("cnn_model").build().state_dict())
    bundle = Bundle("mine", "cnn_model", EIGHTH, Calibration(), weights)
    uris = frames["uri"].to_pylist()[:3]
    assert parity(bundle, uris, [None] * 3)["f1_change"] is None


def test_full_decoding_averages_areas_and_pads():
    file = io.BytesIO()
    Image.fromarray(np.full((80, 80, 3), 200, np.uint8)).save(file, "PNG")
    pixels = decode_whole(file.getvalue(), InputSize(20, 10))
    assert (pixels[5:15] == 200).all()
    assert (pixels[[0, -1]] == PAD_COLOUR).all()


def test_the_native_decoder_gives_no_frame_other_pixels(tmp_path):
    frames = write_frames(tmp_path, videos=2, frames=2)
    assert frames_with_other_pixels([str(file) for file in sorted(frames.rglob("*.jpg"))]) == 0
