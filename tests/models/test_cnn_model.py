"""Our own network."""

import pytest
import torch

from flipbatch.models.architectures import EIGHTH
from flipbatch.models.cnn_model import CnnModel
from flipbatch.models.network_options import CnnOptions


def pixels(count, height=EIGHTH.height, width=EIGHTH.width):
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


@torch.inference_mode()
def logits(network, batch):
    return network.eval()(batch)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_one_logit_a_frame(count):
    assert logits(CnnModel(), pixels(count)).shape == (count,)


def test_bytes_and_floats_are_the_same_pixels():
    network = CnnModel()
    assert torch.equal(logits(network, pixels(2)), logits(network, pixels(2).float()))


def test_a_frame_does_not_depend_on_its_neighbours():
    network, batch = CnnModel(), pixels(4)
    alone = torch.cat([logits(network, frame[None]) for frame in batch])
    torch.testing.assert_close(logits(network, batch), alone, atol=1e-5, rtol=1e-5)


def test_memory_format_changes_nothing():
    network, batch = CnnModel(), pixels(2)
    before = logits(network, batch)
    after = logits(network.to(memory_format=torch.channels_last), batch)  # type: ignore[call-overload]
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)


def test_smaller_and_larger_frames_go_through_too():
    assert logits(CnnModel(), pixels(1, 64, 48)).shape == logits(CnnModel(), pixels(1, 480, 270)).shape


def test_width_and_depth_are_options():
    network = CnnModel(CnnOptions(channels=(4, 8, 8, 12), plain=(2,)))
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.stride for layer in layers] == [(3, 3), (2, 2), (1, 1), (2, 2)]
    assert [layer.out_channels for layer in layers] == [4, 8, 8, 12]
    assert logits(network, pixels(2)).shape == (2,)


def test_it_is_small():
    assert sum(parameter.numel() for parameter in CnnModel().parameters()) < 100_000


def test_every_layer_gets_a_gradient():
    network = CnnModel().train()
    network(pixels(2, 64, 48)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
