"""Pixels are normalised."""

import pytest
import torch

from flipbatch.models.normalise import Normalise
from flipbatch.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD


def test_it_equals_scaling_and_normalising_by_torchvision():
    from torchvision.transforms.functional import normalize

    pixels = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    expected = normalize(pixels.float() / 255, list(IMAGENET_MEAN), list(IMAGENET_STD))
    torch.testing.assert_close(Normalise()(pixels), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_any_dtype_becomes_float32(dtype):
    assert Normalise()(torch.full((1, 3, 2, 2), 200, dtype=dtype)).dtype == torch.float32


def test_the_input_is_left_as_it_was():
    pixels = torch.full((1, 3, 2, 2), 200.0)
    Normalise()(pixels)
    assert pixels.unique().tolist() == [200.0]


def test_its_constants_are_not_weights():
    assert Normalise().state_dict() == {}
    assert list(Normalise().parameters()) == []
