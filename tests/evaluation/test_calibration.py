"""Temperature and threshold."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flipbatch.evaluation.calibration import TEMPERATURES, Calibration, best_threshold, fit_temperature
from flipbatch.evaluation.metrics import Counts

unit = st.floats(0, 1, width=32)
scores = st.one_of(unit, st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
labelled = st.lists(st.tuples(scores, st.booleans()), min_size=2, max_size=25)


def f1_at(threshold, probabilities, truth):
    return Counts.of(truth, probabilities >= np.float32(threshold)).f1 or 0.0


def float32(*values):
    return np.array(values, np.float32)


def split(pairs):
    probabilities, truth = float32(*(p for p, _ in pairs)), np.array([t for _, t in pairs])
    assume(0 < truth.sum() < len(truth))
    return probabilities, truth


def simulated(temperature, n=20_000):
    """Logits of a network that is too sure of itself by the factor ``temperature``."""
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-honest))
    return (honest * temperature).astype(np.float32), truth


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_found_again(temperature):
    assert fit_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.05)


def test_calibrated_probabilities_are_honest():
    logits, truth = simulated(4.0)
    probabilities = Calibration(fit_temperature(logits, truth)).probabilities(logits)
    near = (probabilities > 0.7) & (probabilities < 0.8)
    assert truth[near].mean() == pytest.approx(0.75, abs=0.03)


def test_perfect_separation_leaves_the_temperature_within_bounds():
    logits, truth = np.repeat(float32(-3, 3), 20), np.repeat([False, True], 20)
    low, high = TEMPERATURES
    assert low < fit_temperature(logits, truth) < high


def test_logits_that_say_the_opposite_get_the_highest_temperature():
    logits, truth = np.repeat(float32(3, -3), 20), np.repeat([False, True], 20)
    assert fit_temperature(logits, truth) == pytest.approx(TEMPERATURES[1], rel=1e-3)


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


def test_a_threshold_lies_midway_between_its_neighbours():
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


def test_neighbouring_float32_probabilities_are_still_told_apart():
    low = np.float32(0.7)
    high = np.nextafter(low, np.float32(1))
    assert best_threshold(np.array([low, high]), np.array([False, True])) == float(high)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 20), elements=unit), unit)
def test_decisions_at_any_precision_are_the_same(probabilities, threshold):
    calibration = Calibration(threshold=threshold * 0.999 + 0.0003)
    column = pa.array(probabilities)
    as_double = np.array(column.to_pylist()) >= calibration.threshold
    assert np.array_equal(as_double, calibration.flips(probabilities))
    assert np.array_equal(as_double, column.to_numpy() >= calibration.threshold)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32, allow_nan=False)))
def test_probabilities_are_float32_from_0_to_1_and_rise_with_the_logit(logits):
    probabilities = Calibration(temperature=1.7).probabilities(np.sort(logits))
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    assert (np.diff(probabilities) >= 0).all()


def test_fit_takes_the_threshold_of_the_probabilities_it_gives_out():
    logits, truth = simulated(4.0, n=500)
    calibration = Calibration.fit(logits, truth)
    probabilities = calibration.probabilities(logits)
    assert calibration == Calibration(fit_temperature(logits, truth), best_threshold(probabilities, truth))


@pytest.mark.parametrize("truth", [[True, True], [False, False], []])
def test_frames_of_one_label_are_refused(truth):
    message = rf"both labels, but there are {sum(truth)} of flip and {len(truth) - sum(truth)} of notflip"
    for fit in (fit_temperature, best_threshold, Calibration.fit):
        with pytest.raises(ValueError, match=message):
            fit(np.full(len(truth), 0.5, np.float32), np.array(truth, bool))


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN or infinity"):
        Calibration.fit(float32(0, np.nan), np.array([True, False]))


def test_vectors_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"two vectors of one length, not \(2,\) and \(3,\)"):
        best_threshold(float32(0.1, 0.2), np.array([True, False, True]))


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_a_temperature_that_is_no_positive_number_is_refused(temperature):
    with pytest.raises(ValueError, match="a temperature is finite and above 0"):
        Calibration(temperature=temperature)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_a_threshold_outside_the_unit_interval_is_refused(threshold):
    with pytest.raises(ValueError, match="a threshold lies between 0 and 1"):
        Calibration(threshold=threshold)
