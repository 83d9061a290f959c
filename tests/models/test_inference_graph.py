"""The graph that CPUs run is the network that torch trained."""

import dataclasses

import numpy as np
import pytest
import torch

from flipbatch.errors import BundleError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.models.architectures import ARCHITECTURES, EIGHTH, architecture
from flipbatch.models.bundle import Bundle, as_arrays
from flipbatch.models.cpu_engine import CpuEngine
from flipbatch.models.inference_graph import inference_graph
from flipbatch.models.network_options import CnnOptions, MobileNetOptions
from flipbatch.models.precision import has_bfloat16
from flipbatch.models.predictor import reference_engine

CNNS = [
    CnnOptions(channels=(4,)),
    CnnOptions(channels=(12, 24, 48, 96)),
    CnnOptions(channels=(8, 16, 16, 32, 32, 40), plain=(2, 4)),
    CnnOptions(maps=True),
    CnnOptions(channels=(8, 16, 16, 24, 24, 40), plain=(4,), maps=True),
]
MOBILENETS = [
    MobileNetOptions(taps=(18,), poolings=("mean",)),
    MobileNetOptions(taps=(0,)),
    MobileNetOptions(taps=(1, 6), poolings=("max",)),
    MobileNetOptions(taps=(6, 10), standardise_pixels=True),
    MobileNetOptions(taps=(10, 13, 16, 18)),
    MobileNetOptions(maps=True),
    MobileNetOptions(taps=(3, 6, 14), poolings=("max",), standardise_pixels=True, maps=True),
]
NETWORKS = [*(("cnn_model", one) for one in CNNS), *(("mobilenet_v2", one) for one in MOBILENETS)]


def trained(name, size=EIGHTH, options=None):
    """A network whose BatchNorm statistics and affine weights are all its own."""
    torch.manual_seed(1)
    network = architecture(name).build(options).train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter) * 0.02)
        network(torch.randint(0, 256, (4, 3, size.height, size.width), dtype=torch.uint8))
    weights = as_arrays(network.state_dict())
    return Bundle(name, name, size, Calibration(), weights, network_options=options)


def pixels(count, size=EIGHTH):
    return np.random.default_rng(count).integers(0, 256, (count, size.height, size.width, 3), np.uint8)


@pytest.mark.parametrize("size", [EIGHTH, InputSize(96, 64)], ids=["its own size", "another"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_in_float32_it_gives_the_logits_of_torch(name, size):
    bundle, frames = trained(name, size), pixels(3, size)
    logits = CpuEngine(bundle, precision="float32").logits(frames)
    np.testing.assert_allclose(logits, reference_engine(bundle).logits(frames), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_whatever_its_options_it_gives_the_logits_of_torch(name, options):
    bundle, frames = trained(name, options=options), pixels(5)
    logits = CpuEngine(bundle, precision="float32").logits(frames)
    np.testing.assert_allclose(logits, reference_engine(bundle).logits(frames), atol=1e-4, rtol=1e-4)


def blocks(count, size=EIGHTH):
    """Frames of large squares: their class maps and logits differ, which those of noise hardly do."""
    rows, columns = -(-size.height // 30), -(-size.width // 30)
    squares = np.random.default_rng(count).integers(0, 256, (count, rows, columns, 3), np.uint8)
    return squares.repeat(30, 1).repeat(30, 2)[:, : size.height, : size.width]


def normalised(name, frames, options):
    """A network whose BatchNorm statistics are all those of the frames, and whose logit is of its maps."""
    network = trained(name, options=options).network().train()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.from_numpy(frames).permute(0, 3, 1, 2))
        network.get_parameter("head.2.weight")[:, -12:] = torch.linspace(-1, 1, 12)
    size = InputSize(*frames.shape[1:3])
    return Bundle(name, name, size, Calibration(), as_arrays(network.state_dict()), network_options=options)


SIZES = {"its own size": EIGHTH, "uneven": InputSize(100, 70), "under four cells": InputSize(45, 30)}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("name", "options"), [pair for pair in NETWORKS if pair[1].maps])
def test_where_class_maps_decide_it_gives_the_logits_of_torch(name, options, size):
    frames = blocks(8, size)
    bundle = normalised(name, frames, options)
    logits = CpuEngine(bundle, precision="float32").logits(frames)
    reference = reference_engine(bundle).logits(frames)
    assert reference.std() > 0.3
    # Weights of no training amplify the rounding of float32, by 2e-4 on a CPU with AVX-512.
    np.testing.assert_allclose(logits, reference, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_flat_frame_that_is_standardised_gives_the_logit_of_torch(level):
    bundle = trained("mobilenet_v2", options=MobileNetOptions(standardise_pixels=True))
    frames = np.full_like(pixels(1), level)
    logits = CpuEngine(bundle, precision="float32").logits(frames)
    np.testing.assert_allclose(logits, reference_engine(bundle).logits(frames), atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_in_bfloat16_it_stays_near(name):
    bundle, frames = trained(name), pixels(8)
    reference = reference_engine(bundle).logits(frames)
    assert np.abs(CpuEngine(bundle, precision="bfloat16").logits(frames) - reference).max() < 0.05


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_missing_weight_is_named(name):
    bundle = trained(name)
    less = {key: value for key, value in bundle.weights.items() if key != "head.1.bias"}
    with pytest.raises(BundleError, match=rf"do not fit {name}.*head.1.bias"):
        inference_graph(dataclasses.replace(bundle, weights=less), frames=1)


def test_a_weight_of_another_network_is_named():
    bundle = trained("cnn_model")
    more = {**bundle.weights, "attention.weight": np.zeros(3, np.float32)}
    with pytest.raises(BundleError, match=r"it has no attention\.weight"):
        inference_graph(dataclasses.replace(bundle, weights=more), frames=1)


def test_weights_behind_the_last_tap_are_refused():
    bundle = trained("mobilenet_v2", options=MobileNetOptions(taps=(6, 8)))
    cut = dataclasses.replace(bundle, network_options=MobileNetOptions(taps=(5, 7)))
    with pytest.raises(BundleError, match=r"it has no features\.8\."):
        inference_graph(cut, frames=1)


def test_weights_of_another_shape_are_refused():
    bundle = trained("mobilenet_v2")
    other = {**bundle.weights, "head.1.weight": np.zeros((1, 7), np.float32)}
    with pytest.raises(BundleError, match="do not fit mobilenet_v2"):
        inference_graph(dataclasses.replace(bundle, weights=other), frames=1)
