"""The networks that can be trained and scored."""

import pytest
import torch

from flipbatch.errors import BundleError
from flipbatch.models.architectures import ARCHITECTURES, architecture


def test_there_are_two():
    assert set(ARCHITECTURES) == {"cnn_model", "mobilenet_v2"}


def test_mobilenet_alone_starts_from_imagenet():
    assert [name for name, one in ARCHITECTURES.items() if one.pretrained] == ["mobilenet_v2"]


def test_both_take_the_same_pixels_so_that_frames_are_decoded_once():
    assert len({one.input_size for one in ARCHITECTURES.values()}) == 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_has_a_head_and_takes_frames_of_its_size(name):
    chosen = architecture(name)
    network = chosen.build().eval()
    with torch.inference_mode():
        logits = network(torch.zeros(1, 3, chosen.input_size.height, chosen.input_size.width))
    assert logits.shape == (1,)
    assert any(key.startswith("head.") for key in network.state_dict())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_seed_decides_the_first_weights(name):
    first, second = (torch.manual_seed(3) and architecture(name).build().state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_unknown_one_is_refused_with_those_there_are():
    with pytest.raises(BundleError, match=r"no architecture 'resnet'.*cnn_model, mobilenet_v2"):
        architecture("resnet")
