"""Facts about `flipbatch.frames.appearance`."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from flipbatch.frames.appearance import appearance_of
from flipbatch.schema import THUMBNAIL


@pytest.fixture
def page():
    return np.random.default_rng(0).integers(0, 256, (240, 135, 3), dtype=np.uint8)


def test_sharpness_is_the_mean_squared_difference_of_neighbours(page):
    green = page[..., 1].astype(np.float64)
    energy = (np.diff(green, axis=0) ** 2).sum() + (np.diff(green, axis=1) ** 2).sum()
    assert appearance_of(page[None]).sharpness[0] == np.float32(energy / green.size)


def test_a_blurred_frame_is_less_sharp(page):
    blurred = [page, *(cv2.GaussianBlur(page, (0, 0), sigma) for sigma in (0.5, 1, 2))]
    assert (np.diff(appearance_of(np.stack(blurred)).sharpness) < 0).all()


def test_a_thumbnail_is_the_mean_of_each_block():
    pixels = np.zeros((1, 240, 135, 3), np.uint8)
    pixels[0, 20:40, 15:30] = 200
    expected = np.zeros(THUMBNAIL)
    expected[1, 1] = 200
    np.testing.assert_array_equal(appearance_of(pixels).thumbnails[0], expected)


@pytest.mark.parametrize("shape", [(60, 34), (2, 2), (7, 300), (512, 384)])
def test_every_input_size_has_an_appearance(shape):
    sharpness, thumbnails = appearance_of(np.full((3, *shape, 3), 77, np.uint8))
    assert sharpness.tolist() == [0, 0, 0]
    assert thumbnails.shape == (3, *THUMBNAIL)
    assert set(thumbnails.ravel()) == {77}


def test_no_frames_have_no_appearance():
    assert [len(column) for column in appearance_of(np.empty((0, 240, 135, 3), np.uint8))] == [0, 0]
