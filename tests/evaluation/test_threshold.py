"""Decisions at a threshold, and the best threshold."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flipbatch.evaluation.counts import Counts
from flipbatch.evaluation.threshold import best_threshold, is_flip

unit = st.floats(0, 1, width=32)
scores = st.one_of(unit, st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
labelled = st.lists(st.tuples(scores, st.booleans()), min_size=2, max_size=25)


def f1_at(threshold, probabilities, truth):
    return Counts.of(truth, is_flip(probabilities, threshold)).f1 or 0.0


def float32(*values):
    return np.array(values, np.float32)


def split(pairs):
    probabilities, truth = float32(*(p for p, _ in pairs)), np.array([t for _, t in pairs])
    assume(0 < truth.sum() < len(truth))
    return probabilities, truth


@given(hnp.arrays(np.float32, st.integers(1, 20), elements=unit), st.floats(0, 1))
def test_decisions_at_any_precision_are_the_same(probabilities, threshold):
    rounded = float(np.float32(threshold))
    flips = is_flip(probabilities, threshold)
    column = pa.array(probabilities)
    assert np.array_equal(flips, np.array(column.to_pylist()) >= rounded)
    assert np.array_equal(flips, column.to_numpy() >= np.float32(threshold))


def test_a_probability_at_the_threshold_is_flip():
    assert is_flip(float32(0.1), 0.1).tolist() == [True]
    assert is_flip(np.nextafter(float32(0.1), np.float32(0)), 0.1).tolist() == [False]


def test_the_mean_of_a_video_is_compared_as_it_is():
    threshold = float(np.float32(0.1))
    means = np.array([threshold, np.nextafter(threshold, 0)])
    assert np.float32(means[1]) == np.float32(threshold)
    assert is_flip(means, threshold).tolist() == [True, False]


def test_a_missing_probability_is_never_flip():
    assert is_flip(float32(np.nan), 0.0).tolist() == [False]


@settings(deadline=None)
@given(labelled)
def test_no_other_threshold_has_a_larger_f1(pairs):
    probabilities, truth = split(pairs)
    threshold = best_threshold(probabilities, truth)
    others = [t for p in probabilities for t in (p, np.nextafter(p, np.float32(2))) if 0 < t < 1]
    best = max((f1_at(t, probabilities, truth) for t in others), default=0.0)
    assert f1_at(threshold, probabilities, truth) >= best


@settings(deadline=None)
@given(labelled)
def test_a_threshold_is_a_float32_inside_the_unit_interval(pairs):
    threshold = best_threshold(*split(pairs))
    assert 0 < threshold < 1
    assert threshold == float(np.float32(threshold))


def test_a_threshold_is_midway_between_its_neighbours():
    probabilities, truth = float32(0.25, 0.375, 0.625, 0.75), np.array([False, False, True, True])
    assert best_threshold(probabilities, truth) == 0.5
    assert best_threshold(probabilities[[0, 1, 3]], truth[[0, 1, 3]]) == 0.5625


@pytest.mark.parametrize(("lowest_flip", "expected"), [(0.25, 0.8125), (0.5, 0.25)])
def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken(lowest_flip, expected):
    probabilities = float32(0.0, lowest_flip, 0.625, 0.75, 0.875)
    truth = np.array([False, True, False, False, True])
    assert f1_at(0.8125, probabilities, truth) == f1_at(lowest_flip / 2, probabilities, truth) == 2 / 3
    assert best_threshold(probabilities, truth) == expected


def test_frames_that_look_alike_get_the_threshold_that_calls_them_flip():
    assert best_threshold(np.full(4, 0.5, np.float32), np.array([True, False, True, False])) == 0.25


def test_probabilities_that_are_all_zero_leave_the_threshold_at_a_half():
    assert best_threshold(np.zeros(4, np.float32), np.array([True, False, True, False])) == 0.5


def test_neighbouring_float32_probabilities_are_still_separated():
    low = np.float32(0.7)
    high = np.nextafter(low, np.float32(1))
    assert best_threshold(np.array([low, high]), np.array([False, True])) == float(high)


def test_vectors_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"two vectors of one length, not \(2,\) and \(3,\)"):
        best_threshold(float32(0.1, 0.2), np.array([True, False, True]))
