"""The endless stream of frames at training size."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from flipbatch.errors import InputError
from flipbatch.synthetic.mix import DESK, WORLD
from flipbatch.synthetic.stream import RenderedFrame, rendered_frames


def first(count: int, **changes) -> list[RenderedFrame]:
    return list(islice(rendered_frames(5, **changes), count))


@pytest.fixture(scope="module")
def frames() -> list[RenderedFrame]:
    return first(24, frames_per_scene=2)


def test_frames_fit_the_size_on_one_side(frames):
    for frame in frames:
        height, width = frame.pixels.shape[:2]
        assert height == 240 or abs(width - 135) <= 1
        assert height <= 240
        assert width <= 136


def test_the_labels_alternate_and_share_their_place(frames):
    assert [frame.is_flip for frame in frames[::2]] == [True, False] * 6
    assert [frame.scene for frame in frames[::2]] == list(range(12))


def test_no_frame_comes_twice(frames):
    assert len({frame.pixels.tobytes() for frame in frames}) == len(frames)


def test_another_process_continues_the_same_stream(frames):
    (later,) = first(1, frames_per_scene=2, first_scene=7, step=3)
    assert np.array_equal(later.pixels, frames[14].pixels)


def test_a_flip_is_clear_only_if_enough_of_a_lifted_page_is_to_be_seen(frames):
    flip = next(frame for frame in frames if frame.is_flip)
    seen = replace(flip.state, lift=0.5, visible=0.1, hidden=0.1, paper=0.3)
    assert replace(flip, state=seen).is_clear
    for change in ({"lift": 0.05}, {"visible": 0.001}, {"hidden": 0.9}, {"paper": 0.01}):
        assert not replace(flip, state=replace(seen, **change)).is_clear


def test_the_mix_changes_the_frames(frames):
    (other,) = first(1, mix=DESK, first_scene=1)
    assert not np.array_equal(other.pixels, frames[2].pixels)


def test_an_ingredient_that_there_is_not_is_one_sentence():
    with pytest.raises(InputError, match="have no ingredient 'dragons': they have usual, held"):
        WORLD.without("dragons")
