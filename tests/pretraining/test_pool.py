"""Rendered frames for training: places of the stream, the pool, and what class maps should say."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
import torch

from flipbatch.frames.fitting import PAD_COLOUR, InputSize, fit_labels, fit_pixels
from flipbatch.models.preprocessing import Window
from flipbatch.pretraining.pool import RenderedPool
from flipbatch.pretraining.region_maps import map_loss, region_shares
from flipbatch.synthetic.frame_state import Region
from flipbatch.training.rendered_places import NO_REGION, LabelledFrames, empty_frames, render_place

SIZE = InputSize(height=4, width=3)


def numbered(place: int) -> Iterator[LabelledFrames]:
    """Yield places of two frames each, whose pixels are the number of the frame."""
    for number in count(place):
        frames = empty_frames(2, SIZE)
        frames.pixels[:] = np.array([2 * number, 2 * number + 1])[:, None, None, None]
        yield frames


def test_a_place_shows_both_labels():
    frames = render_place(3, 1, InputSize(height=240, width=135))
    assert set(frames.positive.tolist()) == {True, False}
    assert frames.pixels.shape[1:] == (240, 135, 3)
    assert set(np.unique(frames.regions)) <= {*Region, NO_REGION}


def test_bars_around_a_square_picture_have_no_region():
    size = InputSize(height=240, width=135)
    pixels = fit_pixels(np.zeros((90, 90, 3), np.uint8), size)
    labels = fit_labels(np.full((90, 90), Region.AIR, np.uint8), size, NO_REGION)
    assert pixels[0, 0].tolist() == list(PAD_COLOUR)
    assert ((labels == NO_REGION) == (pixels == PAD_COLOUR).all(axis=2)).all()


def test_the_pool_keeps_the_latest_frames():
    pool = RenderedPool(numbered, 6, SIZE)
    pool.fill(11)
    drawn = pool.draw(200, torch.Generator().manual_seed(0)).pixels[:, 0, 0, 0]
    assert set(drawn.tolist()) == {6, 7, 8, 9, 10, 11}


def test_a_pool_that_goes_on_draws_the_same_frames():
    whole = RenderedPool(numbered, 6, SIZE)
    whole.fill(11)
    later = RenderedPool(numbered, 6, SIZE, whole.oldest)
    later.fill(11)
    batches = [pool.draw(50, torch.Generator().manual_seed(1)).pixels for pool in (whole, later)]
    assert len(later) == 6
    assert set(batches[0].unique().tolist()) == set(batches[1].unique().tolist())


def test_shares_of_regions_sum_to_one_where_pixels_count():
    regions = torch.randint(0, 4, (2, 8, 8), dtype=torch.uint8)
    regions[:, :, :4] = NO_REGION
    shares, counts = region_shares(regions, Window(0, 0, 8, 8), (2, 2))
    assert counts[:, :, 0].logical_not().all()
    assert counts[:, :, 1].all()
    assert torch.allclose(shares.sum(dim=1), counts.float())


def test_right_maps_cost_less_than_wrong_ones():
    shares, counts = region_shares(torch.full((1, 4, 4), Region.AIR), Window(0, 0, 4, 4), (2, 2))
    maps = torch.zeros(1, 4, 2, 2)
    maps[:, Region.AIR] = 5
    right, wrong = (map_loss(one, shares, counts, (1, 1, 3, 1)) for one in (maps, -maps))
    assert right < 0.1 < wrong


def test_cells_without_pixels_cost_nothing():
    regions = torch.full((1, 4, 4), NO_REGION, dtype=torch.uint8)
    shares, counts = region_shares(regions, Window(0, 0, 4, 4), (2, 2))
    assert map_loss(torch.ones(1, 4, 2, 2), shares, counts, (1, 1, 3, 1)) == pytest.approx(0)
