"""Pictures in books."""

import numpy as np
import pytest

from flipbatch.synthetic.dataset import video_scene
from flipbatch.synthetic.picture import choose_picture

BOOK = video_scene(7, "flip", 1).book


@pytest.mark.parametrize(("width", "height"), [(7, 7), (60, 9), (40, 55)])
def test_pictures_fill_their_size(width: int, height: int):
    rng = np.random.default_rng(0)
    for _ in range(40):
        picture = choose_picture(rng)(width, height, BOOK, rng)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8


def test_equal_random_numbers_give_equal_pictures():
    first, second = (np.random.default_rng(3) for _ in range(2))
    for _ in range(20):
        pictures = [choose_picture(rng)(30, 20, BOOK, rng) for rng in (first, second)]
        assert np.array_equal(pictures[0], pictures[1])
