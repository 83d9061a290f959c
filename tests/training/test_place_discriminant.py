"""The head in closed form: what counts as noise."""

import numpy as np
import pytest

from flipbatch.training.place_discriminant import Discriminant, fit_discriminant

PLACES, FRAMES = 200, 8
RNG = np.random.default_rng(0)
PLACE = np.repeat(np.arange(PLACES), FRAMES)
TRUTH = np.tile(np.arange(FRAMES) % 2 == 1, PLACES)


def logits(head: Discriminant, features: np.ndarray) -> np.ndarray:
    return (features - head.means) / head.deviations @ head.weights + head.bias


def features() -> np.ndarray:
    """Return one feature that tells labels and places apart, and a weaker one of labels alone."""
    offsets = RNG.normal(0, 3, PLACES)[PLACE]
    noise = RNG.normal(0, 1, (2, len(TRUTH)))
    return np.stack([2.0 * TRUTH + offsets + 0.3 * noise[0], 1.0 * TRUTH + noise[1]], axis=1)


def test_a_feature_that_tells_places_apart_loses_its_weight():
    values = features()
    trusting = fit_discriminant(values, TRUTH, PLACE, place_weight=0, ridge=1e-3)
    wary = fit_discriminant(values, TRUTH, PLACE, place_weight=3, ridge=1e-3)
    assert trusting.weights[0] > trusting.weights[1]
    assert wary.weights[0] < wary.weights[1] / 2


def test_without_offsets_all_frames_are_told_apart_at_zero():
    values = np.stack([4.0 * TRUTH, np.zeros(len(TRUTH))], axis=1) + RNG.normal(0, 0.3, (len(TRUTH), 2))
    head = fit_discriminant(values, TRUTH, PLACE, place_weight=1, ridge=0.1)
    assert ((logits(head, values) > 0) == TRUTH).all()


def test_a_feature_that_never_changes_is_harmless():
    values = np.stack([1.0 * TRUTH, np.full(len(TRUTH), 7.0)], axis=1)
    head = fit_discriminant(values, TRUTH, PLACE, place_weight=1, ridge=1)
    assert np.isfinite(head.weights).all() and head.weights[1] == pytest.approx(0)


def test_places_of_one_label_say_nothing_and_two_others_are_needed():
    values, one_label = features(), TRUTH[:FRAMES] & False
    with pytest.raises(ValueError, match="fewer than two places"):
        fit_discriminant(values[:FRAMES], one_label, PLACE[:FRAMES], place_weight=1, ridge=1)
    strange = np.concatenate([values, 100 + values[:FRAMES]])
    places, truth = np.concatenate([PLACE, PLACE[:FRAMES] + PLACES]), np.concatenate([TRUTH, one_label])
    head = fit_discriminant(strange, truth, places, place_weight=1, ridge=1)
    assert abs(logits(head, values).mean()) < 1
