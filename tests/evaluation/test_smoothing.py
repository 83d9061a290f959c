"""Facts about `flipbatch.evaluation.smoothing`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.evaluation.smoothing import TurnRates, smoothed

RATES = TurnRates(turn=25, rest=75)


def starts_of(*lengths):
    return np.concatenate([np.arange(length) == 0 for length in lengths])


def smoothed_alone(probabilities, times=None, rates=RATES, threshold=0.5):
    """Smooth one film, by default a frame per unit of time."""
    values = np.array(probabilities, dtype=np.float64)
    times = np.arange(len(values)) if times is None else np.array(times)
    return smoothed(values, times.astype(np.float64), starts_of(len(values)), rates, threshold)


def by_all_paths(probabilities, times, rates, threshold):
    """Return the same as `smoothed` for one film, as the sum over all sequences of states."""
    seen = np.where(np.isnan(probabilities), threshold, probabilities)
    fits = np.stack([(1 - seen) / (1 - threshold), seen / threshold], axis=1)
    evidence = np.maximum(fits / fits.max(axis=1, keepdims=True), 3e-3)
    stays, anyway = rates.stays(np.diff(times, prepend=times[0])), np.array([1 - rates.share, rates.share])
    moves = stays[:, None, None] * np.eye(2) + (1 - stays)[:, None, None] * anyway
    weights, turning = 0.0, np.zeros(len(times))
    for path in itertools.product((0, 1), repeat=len(times)):
        weight = anyway[path[0]]
        for frame, state in enumerate(path):
            weight *= evidence[frame, state] * (moves[frame, path[frame - 1], state] if frame else 1)
        weights, turning = weights + weight, turning + weight * np.array(path)
    return turning / weights


FILM = st.lists(st.tuples(st.floats(0, 1) | st.just(float("nan")), st.floats(0, 30)), min_size=1, max_size=6)


@given(st.lists(FILM, min_size=1, max_size=3), st.floats(1, 50), st.floats(1, 300), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_each_film_has_the_posterior_of_all_its_paths(films, turn, rest, threshold):
    rates = TurnRates(turn, rest)
    columns = [(np.array([p for p, _ in film]), np.cumsum([gap for _, gap in film])) for film in films]
    probabilities, times = (np.concatenate(column) for column in zip(*columns, strict=True))
    found = smoothed(probabilities, times, starts_of(*map(len, films)), rates, threshold)
    expected = np.concatenate([by_all_paths(*film, rates, threshold) for film in columns])
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(FILM, FILM)
@settings(max_examples=30, deadline=None)
def test_a_film_has_the_same_bits_beside_any_other(film, other):
    (one, times), (two, later) = (np.array(rows).T for rows in (film, other))
    both = smoothed(np.append(two, one), np.append(later, times), starts_of(len(two), len(one)), RATES, 0.5)
    np.testing.assert_array_equal(both[len(two) :], smoothed_alone(one, times))


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_one_wrong_frame_neither_splits_a_turn_nor_makes_one(threshold):
    turn, rest = np.full(30, 0.95), np.full(30, 0.05)
    turn[15], rest[15] = 0.0, 1.0
    assert smoothed_alone(turn, threshold=threshold).min() > 0.5
    assert smoothed_alone(rest, threshold=threshold).max() < 0.5


def test_a_frame_without_a_probability_takes_that_of_its_neighbours():
    assert smoothed_alone([0.99, np.nan, 0.99])[1] > 0.9


def test_a_long_gap_tells_nothing():
    far = smoothed_alone([0.99, 0.3], [0, 10_000])
    assert far[1] == pytest.approx(smoothed_alone([0.3])[0])


def test_a_gap_of_half_a_unit_counts_half():
    fast, slow = smoothed_alone([0.9, 0.4], [0, 0.5]), smoothed_alone([0.9, 0.4], [0, 1])
    assert fast[1] > slow[1]
    assert smoothed_alone([0.9, 0.4], [0, 0.5], TurnRates(12.5, 37.5)) == pytest.approx(slow)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_a_frame_at_the_threshold_says_nothing(threshold):
    found = smoothed_alone([threshold] * 5, threshold=threshold)
    assert found == pytest.approx([RATES.share] * 5)


def test_a_probability_counts_by_its_odds_over_those_of_the_threshold():
    (found,) = smoothed_alone([0.6], threshold=0.2)
    odds = (0.6 / 0.4) / (0.2 / 0.8) * RATES.share / (1 - RATES.share)
    assert found == pytest.approx(odds / (1 + odds))


def test_certain_frames_at_one_time_leave_no_undefined_number():
    assert np.isfinite(smoothed_alone([1.0] * 100 + [0.0] * 100, [0] * 200)).all()


def test_no_frames_are_no_frames():
    assert len(smoothed_alone([])) == 0
