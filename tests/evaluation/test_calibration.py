"""Temperature, offset and threshold."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flipbatch.evaluation.calibration import TEMPERATURES, Calibration, fit_temperature_and_offset
from flipbatch.evaluation.reliability import expected_calibration_error
from flipbatch.evaluation.threshold import best_threshold
from tests.evaluation.simulated import balanced_logits

SHARES = [0.05, 0.1, 0.2, 0.5]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def float32(*values):
    return np.array(values, np.float32)


def simulated(temperature, offset=0.0, n=20_000):
    """Logits from which temperature and offset give the true log-odds."""
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 2, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    return ((log_odds - offset) * temperature).astype(np.float32), truth


@pytest.mark.parametrize("offset", [-2.0, 0.0, 1.0])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_and_offset_are_found(temperature, offset):
    found = fit_temperature_and_offset(*simulated(temperature, offset))
    assert found == pytest.approx((temperature, offset), rel=0.05, abs=0.05)


@pytest.mark.parametrize("share", SHARES)
def test_the_mean_probability_is_the_share_of_flips_after_balanced_training(share):
    rng = np.random.default_rng(0)
    logits, truth = balanced_logits(rng, share, 4000, overconfidence=2)
    calibration = Calibration.fit(logits, truth)
    others, their_truth = balanced_logits(rng, share, 50_000, overconfidence=2)
    assert calibration.probabilities(logits).mean() == pytest.approx(share, abs=0.002)
    assert calibration.probabilities(others).mean() == pytest.approx(share, abs=0.01)
    assert calibration.temperature == pytest.approx(2, rel=0.2)
    assert calibration.offset == pytest.approx(np.log(share / (1 - share)), abs=0.3)
    assert expected_calibration_error(calibration.probabilities(others), their_truth) < 0.02


def test_calibrated_probabilities_match_the_shares_of_flips():
    logits, truth = simulated(4.0, offset=-1.0)
    probabilities = Calibration.fit(logits, truth).probabilities(logits)
    near = (probabilities > 0.7) & (probabilities < 0.8)
    assert truth[near].mean() == pytest.approx(0.75, abs=0.03)


def test_perfect_separation_stays_finite_and_within_bounds():
    logits, truth = np.repeat(float32(-3, 3), 20), np.repeat([False, True], 20)
    temperature, offset = fit_temperature_and_offset(logits, truth)
    assert TEMPERATURES[0] < temperature < TEMPERATURES[1]
    assert abs(offset) < 1e-3


def test_perfect_separation_by_a_hair_gets_the_lowest_temperature():
    logits, truth = np.repeat(float32(1, 1.0001), 20), np.repeat([False, True], 20)
    temperature, offset = fit_temperature_and_offset(logits, truth)
    assert temperature == TEMPERATURES[0]
    probabilities = Calibration(temperature, offset=offset).probabilities(logits)
    assert probabilities.mean() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("flips", [4, 20])
def test_logits_that_say_the_opposite_are_not_reversed(flips):
    logits, truth = float32(*[3] * 20, *[-3] * flips), np.repeat([False, True], [20, flips])
    temperature, offset = fit_temperature_and_offset(logits, truth)
    probabilities = Calibration(temperature, offset=offset).probabilities(logits)
    targets = ((flips + 1) / (flips + 2) * flips + 20 / 22) / (20 + flips)
    assert temperature == TEMPERATURES[1]
    assert probabilities[0] > probabilities[-1]
    assert probabilities.mean() == pytest.approx(targets, abs=1e-6)


def test_logits_that_are_all_alike_give_the_share_of_flips():
    logits, truth = np.full(1000, 7, np.float32), np.arange(1000) < 100
    calibration = Calibration.fit(logits, truth)
    assert calibration.temperature == TEMPERATURES[1]
    assert calibration.probabilities(logits).mean() == pytest.approx(0.1, abs=0.002)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(2, 20), elements=finite))
def test_any_finite_logits_can_be_calibrated(logits):
    truth = np.arange(len(logits)) % 2 == 0
    calibration = Calibration.fit(logits, truth)
    assert TEMPERATURES[0] <= calibration.temperature <= TEMPERATURES[1]
    assert np.isfinite(calibration.probabilities(logits)).all()


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32, allow_nan=False)))
def test_probabilities_are_float32_from_0_to_1_and_rise_with_the_logit(logits):
    probabilities = Calibration(temperature=1.7, offset=-0.4).probabilities(np.sort(logits))
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    assert (np.diff(probabilities) >= 0).all()


def test_without_an_offset_probabilities_are_those_of_the_temperature():
    assert Calibration(2.0).probabilities(float32(2.0))[0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert Calibration(2.0, offset=-1.0).probabilities(float32(2.0))[0] == 0.5


def test_fit_takes_the_threshold_of_the_probabilities_it_gives_out():
    logits, truth = simulated(4.0, offset=-2.0, n=500)
    calibration = Calibration.fit(logits, truth)
    temperature, offset = fit_temperature_and_offset(logits, truth)
    threshold = best_threshold(calibration.probabilities(logits), truth)
    assert calibration == Calibration(temperature, threshold, offset)


@pytest.mark.parametrize("truth", [[True, True], [False, False], []])
def test_frames_of_one_label_are_refused(truth):
    message = rf"both labels, but there are {sum(truth)} of flip and {len(truth) - sum(truth)} of notflip"
    for fit in (fit_temperature_and_offset, best_threshold, Calibration.fit):
        with pytest.raises(ValueError, match=message):
            fit(np.full(len(truth), 0.5, np.float32), np.array(truth, bool))


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN or infinity"):
        Calibration.fit(float32(0, np.nan), np.array([True, False]))


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_a_temperature_that_is_not_a_positive_number_is_refused(temperature):
    with pytest.raises(ValueError, match="a temperature is finite and above 0"):
        Calibration(temperature=temperature)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_a_threshold_outside_the_unit_interval_is_refused(threshold):
    with pytest.raises(ValueError, match="a threshold is between 0 and 1"):
        Calibration(threshold=threshold)


@pytest.mark.parametrize("offset", [np.nan, np.inf])
def test_an_offset_that_is_not_finite_is_refused(offset):
    with pytest.raises(ValueError, match="an offset is finite"):
        Calibration(offset=offset)


def test_reading_logits_needs_no_scikit_learn():
    code = """
import sys
import numpy as np
from flipbatch.evaluation.calibration import Calibration
calibration = Calibration(2.0, 0.3, -1.0)
calibration.flips(calibration.probabilities(np.zeros(3, np.float32)))
print({"sklearn", "scipy"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
