"""Facts about `flipbatch.synthetic.turning_film`."""

from __future__ import annotations

import numpy as np
import pytest

from flipbatch.synthetic.turning_film import sample_turning_film


@pytest.fixture(scope="module")
def film():
    return sample_turning_film(0, turns=2)


def test_a_film_has_as_many_events_as_turns(film):
    assert len(film.events) == 2
    assert sample_turning_film(0, turns=0).events == []


def test_the_frames_of_events_are_the_flips(film):
    flips = np.zeros(len(film.flips), bool)
    for first, last in film.events:
        flips[first : last + 1] = True
    assert flips.tolist() == film.flips


@pytest.mark.parametrize("seed", range(8))
def test_turns_and_rests_take_their_time(seed):
    found = sample_turning_film(seed, turns=3)
    ends = [0, *(number for event in found.events for number in event), len(found.flips)]
    assert all(8 <= last - first <= 45 for first, last in found.events)
    assert all(after - before >= 24 for before, after in zip(ends[::2], ends[1::2], strict=True))


def test_a_film_of_half_the_rate_has_half_the_frames(film):
    half = sample_turning_film(0, turns=2, frames_per_second=15)
    assert len(half.flips) == pytest.approx(len(film.flips) / 2, abs=4)


def test_pages_go_on_from_turn_to_turn(film):
    pages = [clip.scene.first_page for clip in film.clips if clip.scene.label == "notflip"]
    assert set(np.diff(pages)) == {0, 2}
    assert pages[-1] - pages[0] == 4


def test_hands_go_on_from_clip_to_clip(film):
    ends = [(clip.scene.hands[-1].start, clip.scene.hands[-1].end) for clip in film.clips[:3]]
    assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]


def test_every_nth_frame_is_the_same_picture(film):
    few = list(film.render(48, every=50))
    assert len(few) == -(-len(film.flips) // 50)
    assert few[0].shape == (48, 27, 3)
    later = [frame for number, frame in enumerate(film.render(48, every=25)) if number % 2 == 0]
    np.testing.assert_array_equal(few, later)
