"""Probabilities against shares of flips."""

import json

import numpy as np
import pytest

from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.reliability import (
    RELIABILITY_BINS,
    calibration_report,
    expected_calibration_error,
    reliability_curve,
)
from tests.evaluation.simulated import balanced_logits


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("overconfidence", [1, 2])
def test_calibration_lowers_the_error_on_held_out_frames(share, overconfidence):
    rng = np.random.default_rng(0)
    calibration = Calibration.fit(*balanced_logits(rng, share, 4000, overconfidence))
    report = calibration_report(*balanced_logits(rng, share, 50_000, overconfidence), calibration)
    error = report["expected_calibration_error"]
    print(f"{share:.0%} flips, {overconfidence}: {error}, mean {report['mean_probability']:.3f}")
    assert report["share_of_flips"] == share
    assert report["mean_probability"] == pytest.approx(share, abs=0.01)
    assert error["after"] < 0.02
    if (share, overconfidence) != (0.5, 1):  # these logits need no calibration
        assert error["after"] < error["before"] / 2


def test_the_error_is_that_of_the_definition():
    probabilities = np.array([0.1, 0.2, 0.9, 0.9], np.float32)
    truth = np.array([False, True, True, False])
    expected = (abs(0.1 - 0) + abs(0.2 - 1) + 2 * abs(0.9 - 0.5)) / 4
    assert expected_calibration_error(probabilities, truth) == pytest.approx(expected)


def test_the_curve_says_what_each_bin_predicted_and_held():
    curve = reliability_curve(np.array([0.61, 0.65, 0.69, 1.0]), np.array([True, False, True, True]))
    assert len(curve) == RELIABILITY_BINS
    bin_of_06 = {"low": 0.6, "high": 0.7, "frames": 3, "mean_probability": 0.65, "share_of_flips": 2 / 3}
    assert curve[6] == pytest.approx(bin_of_06)
    assert (curve[9]["frames"], curve[9]["high"]) == (1, 1.0)
    assert curve[0]["mean_probability"] is curve[0]["share_of_flips"] is None
    assert [entry["frames"] for entry in curve] == [0] * 6 + [3, 0, 0, 1]


def test_the_curve_is_that_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(0)
    probabilities = rng.random(500)
    truth = rng.random(500) < probabilities
    shares, means = calibration_curve(truth, probabilities, n_bins=RELIABILITY_BINS)
    curve = reliability_curve(probabilities, truth)
    assert [entry["share_of_flips"] for entry in curve] == pytest.approx(shares.tolist())
    assert [entry["mean_probability"] for entry in curve] == pytest.approx(means.tolist())


def test_a_report_is_plain_json():
    logits, truth = balanced_logits(np.random.default_rng(0), 0.3, 100)
    report = calibration_report(logits, truth, Calibration.fit(logits, truth))
    assert json.loads(json.dumps(report)) == report


def test_frames_without_probabilities_are_refused():
    with pytest.raises(ValueError, match="two vectors of one length"):
        expected_calibration_error(np.array([]), np.array([], bool))
