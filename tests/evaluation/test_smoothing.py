"""Facts about `flipbatch.evaluation.smoothing`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.evaluation.smoothing import TurnRates, smoothed

RATES = TurnRates(turn=20, rest=60)


def starts_of(*lengths):
    return np.concatenate([np.arange(length) == 0 for length in lengths])


def by_all_paths(probabilities, numbers, rates):
    """Return the same as `smoothed` for one film, as the sum over all sequences of states."""
    seen = np.clip(np.where(np.isnan(probabilities), rates.share, probabilities), 1e-4, 1 - 1e-4)
    evidence = np.stack([(1 - seen) / (1 - rates.share), seen / rates.share], axis=1)
    moves = rates.transitions(np.diff(numbers, prepend=numbers[0]))
    weights, turning = 0.0, np.zeros(len(numbers))
    for path in itertools.product((0, 1), repeat=len(numbers)):
        weight = rates.share if path[0] else 1 - rates.share
        for frame, state in enumerate(path):
            weight *= evidence[frame, state] * (moves[frame, path[frame - 1], state] if frame else 1)
        weights, turning = weights + weight, turning + weight * np.array(path)
    return turning / weights


FILM = st.lists(
    st.tuples(st.floats(0, 1) | st.just(float("nan")), st.integers(0, 30)), min_size=1, max_size=6
)


@given(st.lists(FILM, min_size=1, max_size=3), st.floats(1, 50), st.floats(1, 300))
@settings(max_examples=60, deadline=None)
def test_each_film_has_the_posterior_of_all_its_paths(films, turn, rest):
    rates = TurnRates(turn, rest)
    columns = [(np.array([p for p, _ in film]), np.cumsum([gap for _, gap in film])) for film in films]
    probabilities, numbers = (np.concatenate(column) for column in zip(*columns, strict=True))
    found = smoothed(probabilities, numbers, starts_of(*map(len, films)), rates)
    expected = np.concatenate([by_all_paths(*film, rates) for film in columns])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_one_wrong_frame_within_a_turn_does_not_split_it():
    probabilities = np.full(30, 0.9)
    probabilities[15] = 0.001
    assert smoothed(probabilities, np.arange(30), starts_of(30), RATES).min() > 0.5


def test_a_frame_without_a_probability_takes_that_of_its_neighbours():
    found = smoothed(np.array([0.99, np.nan, 0.99]), np.arange(3), starts_of(3), RATES)
    assert found[1] > 0.9


def test_a_long_gap_tells_nothing():
    alone = smoothed(np.array([0.3]), np.array([0]), starts_of(1), RATES)
    far = smoothed(np.array([0.99, 0.3]), np.array([0, 10_000]), starts_of(2), RATES)
    assert far[1] == pytest.approx(alone[0])


def test_a_single_frame_keeps_its_probability():
    assert smoothed(np.array([0.37]), np.array([5]), starts_of(1), RATES) == pytest.approx([0.37])


def test_no_frames_are_no_frames():
    assert len(smoothed(np.empty(0), np.empty(0, np.int64), np.empty(0, bool), RATES)) == 0
