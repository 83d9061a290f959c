"""Rendered frames beside real ones."""

import numpy as np
import pytest
import torch

from flipbatch.errors import InputError
from flipbatch.frames.fitting import InputSize
from flipbatch.training.fit import Settings
from flipbatch.training.frame_cache import FrameCache
from flipbatch.training.rendered_share import RENDERED, with_rendered

SIZE = InputSize(height=240, width=135)


def cache(frames: int) -> FrameCache:
    names = np.array(["book"] * frames, dtype=object)
    pixels = torch.zeros((frames, SIZE.height, SIZE.width, 3), dtype=torch.uint8)
    return FrameCache(pixels, torch.zeros(frames, dtype=torch.bool), names, names, np.arange(frames), names)


def test_the_share_of_rendered_frames_is_the_wanted_one():
    mixed = with_rendered(cache(6), 0.6, SIZE, seed=1)
    assert len(mixed) == 15
    assert (mixed.group == RENDERED).sum() == 9
    assert mixed.pixels.shape[1:] == (240, 135, 3)
    assert mixed.positive[6:].any()


def test_ranks_render_other_places_and_always_the_same():
    first, again, other = (with_rendered(cache(2), 0.5, SIZE, 1, rank, 2) for rank in (0, 0, 1))
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels[2:], other.pixels[2:])


def test_without_a_share_the_cache_stays_as_it_is():
    real = cache(2)
    assert with_rendered(real, 0.0, SIZE, seed=1) is real


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_one_sentence(share: float):
    with pytest.raises(InputError, match=r"use 0 to 0\.95"):
        Settings(rendered_share=share)
