"""uint8 batches become calibrated probabilities."""

import numpy as np
import pytest
import torch

from flipbatch.errors import BundleError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.models.bundle import Bundle, as_arrays
from flipbatch.models.cnn_model import CnnModel
from flipbatch.models.cpu_engine import FRAMES_AT_A_TIME, CpuEngine
from flipbatch.models.predictor import Predictor, reference_engine

SIZE = InputSize(64, 48)
CALIBRATION = Calibration(temperature=0.5, threshold=0.3, offset=-0.7)


def bundle():
    torch.manual_seed(0)
    return Bundle("mine", "cnn_model", SIZE, CALIBRATION, as_arrays(CnnModel().state_dict()))


def exact():
    return Predictor(bundle(), CpuEngine(bundle(), precision="float32"))


def pixels(count):
    return np.random.default_rng(count).integers(0, 256, (count, SIZE.height, SIZE.width, 3), np.uint8)


@pytest.mark.parametrize("count", [0, 1, FRAMES_AT_A_TIME, FRAMES_AT_A_TIME + 1, 33])
def test_probabilities_are_those_of_network_and_calibration(count):
    frames = pixels(count)
    logits = reference_engine(bundle()).logits(frames)
    expected = 1 / (1 + np.exp(-(logits.astype(np.float64) / 0.5 - 0.7)))
    np.testing.assert_allclose(exact().probabilities(frames), expected, atol=1e-6)


def test_how_frames_are_cut_into_batches_does_not_matter():
    predictor, frames = exact(), pixels(40)
    whole = predictor.probabilities(frames)
    parts = [predictor.probabilities(part) for part in np.split(frames, [1, 18, 18, 35])]
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=1e-6)


def test_the_same_batch_gives_the_same_bits():
    predictor, frames = Predictor(bundle()), pixels(20)
    assert np.array_equal(predictor.probabilities(frames), predictor.probabilities(frames))


def test_probabilities_are_float32_from_0_to_1():
    probabilities = Predictor(bundle()).probabilities(pixels(20))
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (20,)
    assert 0 <= probabilities.min() <= probabilities.max() <= 1


def test_the_frames_are_left_as_they_were():
    frames = pixels(3)
    Predictor(bundle()).probabilities(frames)
    assert np.array_equal(frames, pixels(3))


def test_a_part_of_a_larger_buffer_can_be_predicted():
    predictor, frames = Predictor(bundle()), pixels(20)
    np.testing.assert_allclose(
        predictor.probabilities(frames[3:9]), predictor.probabilities(frames)[3:9], atol=1e-6
    )


@pytest.mark.parametrize(
    "wrong",
    [pixels(2).astype(np.float32), pixels(2)[:, :-1], pixels(2).transpose(0, 3, 1, 2), pixels(2)[0]],
    ids=["floats", "size", "channels first", "no batch"],
)
def test_other_pixels_are_refused(wrong):
    with pytest.raises(ValueError, match=r"mine takes uint8 pixels \(\d+, 64, 48, 3\), not"):
        Predictor(bundle()).probabilities(wrong)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_gives_what_the_cpu_gives():
    on_cpu, on_gpu = (reference_engine(bundle(), device).logits(pixels(20)) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(on_cpu, on_gpu, atol=1e-2)


def test_a_network_that_returns_nan_is_an_error_and_not_a_row():
    weights = {
        name: value * np.nan if value.dtype == np.float32 else value
        for name, value in bundle().weights.items()
    }
    with pytest.raises(BundleError, match="mine returns NaN or infinity"):
        Predictor(Bundle("mine", "cnn_model", SIZE, CALIBRATION, weights)).probabilities(pixels(2))
