"""Facts about `flipbatch.evaluation.page_turns`."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.evaluation.page_turns import Stretches, event_table
from flipbatch.schema import EVENTS
from tests.evaluation.films import TURN, film, smooth


def events_of(*films, threshold=0.5):
    return event_table(smooth(*films, threshold=threshold), "m").to_pylist()


def test_a_run_of_probable_flips_is_a_turn():
    (turn,) = events_of(film("a", TURN))
    expected = {"model": "m", "video_id": "a", "event": 0, "first_frame": 40, "last_frame": 59, "frames": 20}
    assert turn | expected == turn
    assert turn["peak_uri"] == f"a_{turn['peak_frame']}.jpg"
    assert turn["group"] == "book"


def test_turns_are_numbered_within_their_video():
    turns = events_of(film("a", [*TURN, *TURN]), film("b", TURN))
    assert [(turn["video_id"], turn["event"]) for turn in turns] == [("a", 0), ("a", 1), ("b", 0)]
    assert event_table(smooth(film("a", TURN)), "m").schema == EVENTS


def test_a_turn_ends_with_its_video():
    turns = events_of(film("a", [0.1] * 30 + [0.9] * 20), film("b", [0.9] * 20 + [0.1] * 30))
    assert [(turn["first_frame"], turn["last_frame"]) for turn in turns] == [(30, 49), (0, 19)]


def test_one_wrong_frame_is_no_turn_and_splits_none():
    values = list(TURN)
    values[10], values[50] = 0.99, 0.01
    (turn,) = events_of(film("a", values))
    assert (turn["first_frame"], turn["last_frame"]) == (40, 59)


def test_frames_without_a_probability_are_bridged_and_counted():
    values = list(TURN)
    values[45:48] = [None] * 3
    (turn,) = events_of(film("a", values))
    assert turn["frames"] == 20


def test_a_video_of_one_frame_has_no_turn_and_no_smoothed_probability():
    frames = smooth(film("a", [0.99]), film("b", TURN), film("c", [0.99]))
    assert np.isnan(frames.smoothed[[0, -1]]).all()
    assert event_table(frames, "m")["video_id"].to_pylist() == ["b"]
    assert set(frames.videos[frames.rests.first]) == {1}


def test_the_peak_is_the_frame_with_the_highest_probability_among_equal_ones():
    values = [0.1] * 40 + [0.999] * 40 + [0.1] * 40
    values[63], values[65] = 0.9999, 0.9999
    (turn,) = events_of(film("a", values))
    assert turn["peak_frame"] == 63
    assert turn["peak_probability"] > 0.999


def test_images_have_no_seconds():
    (turn,) = events_of(film("a", TURN))
    assert [turn[f"{name}_seconds"] for name in ("first", "last", "peak")] == [None] * 3


def test_films_have_the_seconds_of_their_frames():
    seconds = [number / 30 for number in range(100)]
    (turn,) = events_of(film("a", TURN, seconds=seconds))
    assert (turn["first_seconds"], turn["last_seconds"]) == (seconds[40], seconds[59])


def test_the_time_of_a_film_is_that_of_its_seconds_and_not_of_its_frame_numbers():
    values = [0.4, 0.8, 0.4]
    slow = smooth(film("a", values, seconds=[0.0, 1.0, 2.0])).smoothed
    images = smooth(film("a", values, frame_number=[0, 30, 60])).smoothed
    np.testing.assert_array_equal(slow, images)
    assert abs(slow - smooth(film("a", values)).smoothed).max() > 0.05


def test_a_frame_that_its_film_does_not_have_is_shown_with_the_one_before():
    found = smooth(film("a", [0.1, 0.9, None], seconds=[0.0, 5.0, None], frame_number=[0, 150, 999]))
    assert found.times.tolist() == [0, 150, 150]


def test_a_lower_threshold_finds_turns_of_lower_probabilities():
    weak = film("a", [0.1] * 40 + [0.4] * 20 + [0.1] * 40)
    assert events_of(weak) == []
    assert [turn["frames"] for turn in events_of(weak, threshold=0.2)] == [20]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_stretches_cover_the_rows_that_are_set(rows):
    mask = np.array([row for row, _ in rows], bool)
    starts = np.array([start or not number for number, (_, start) in enumerate(rows)], bool)
    stretches = Stretches.of(mask, starts)
    numbers = stretches.of_rows(len(rows))
    assert ((numbers >= 0) == mask).all()
    assert stretches.lengths.sum() == mask.sum()
    begins = np.isin(np.arange(len(rows)), stretches.first)
    assert not (starts & mask & ~begins).any()


def test_no_rows_are_no_turns():
    assert events_of() == []
