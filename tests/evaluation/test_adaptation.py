"""Facts about `flipbatch.evaluation.adaptation` and its prior, on simulated places."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from flipbatch.evaluation.adaptation import (
    BINS,
    LogitHistogram,
    estimate_offset,
    estimate_offsets,
    logit_bins,
    logits_of,
)
from flipbatch.evaluation.adaptation_prior import AdaptationPrior

PRIOR = AdaptationPrior()
PLACES = 60


def draw(share: float, shift: float, frames: int = 64, mean: float = 3, scale: float = 1.5) -> np.ndarray:
    """Logits of `PLACES` places, [PLACES, frames]; by default much as the prior expects them."""
    rng = np.random.default_rng(0)
    flips = rng.random((PLACES, frames)) < share
    return np.where(flips, mean, -mean) + scale * rng.standard_t(5, flips.shape) + shift


def offsets(logits: np.ndarray, prior: AdaptationPrior = PRIOR) -> np.ndarray:
    return estimate_offsets(np.array([LogitHistogram.of(one).counts for one in logits]), prior)


# ---------------------------------------------------------------------------------------- offsets


@pytest.mark.parametrize(("share", "shift"), [*itertools.product((0.3, 0.5, 0.7), (-3.0, 0.0, 1.0, 3.0))])
def test_the_shift_of_a_place_with_both_labels_is_removed(share: float, shift: float) -> None:
    left = shift - offsets(draw(share, shift))
    assert abs(left.mean()) < 0.4
    assert np.quantile(np.abs(left), 0.9) < 1.2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_place_of_one_label_alone_is_left_nearly_as_it_is(share: float) -> None:
    logits = draw(share, shift=0)
    assert np.abs(offsets(logits)).mean() < 0.5
    assert np.abs(logits.mean(axis=1)).min() > 2.0  # what centring would subtract
    assert wrong(logits - offsets(logits)[:, None], share) < 0.08  # 0.045 without an offset


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize(("mean", "scale", "most"), [(3, 2, 0.03), (4, 3, 0.08), (6, 3, 0.05)])
def test_logits_of_another_scale_do_not_tear_a_place_of_one_label_apart(
    mean: float, scale: float, most: float, share: float
) -> None:
    logits = draw(share, shift=0, mean=mean, scale=scale)
    assert wrong(logits - offsets(logits)[:, None], share) < wrong(logits, share) + most


def wrong(logits: np.ndarray, share: float) -> float:
    return float(((logits > 0) != bool(share)).mean())


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.7, 2.0])
def test_logits_of_another_scale_are_shifted_back(factor: float) -> None:
    logits = draw(0.5, shift=2, mean=3 * factor, scale=1.5 * factor)
    assert abs(2 - offsets(logits).mean()) < 0.6


def test_an_offset_grows_with_the_scale_of_logits_and_prior() -> None:
    halved = AdaptationPrior(-1.5, 1, 1.5, 1, place_deviation=1)
    logits = draw(0.5, shift=1)
    assert np.allclose(offsets(logits / 2, halved), offsets(logits) / 2, atol=0.1)


def test_few_frames_shrink_towards_no_offset() -> None:
    means = [offsets(draw(0.5, shift=3, frames=frames)).mean() for frames in (1, 4, 16, 64)]
    assert means == sorted(means)
    assert means[0] < 0.8
    assert estimate_offset(LogitHistogram(), PRIOR) == 0


def test_more_frames_of_the_same_kind_than_the_prior_allows_change_nothing() -> None:
    histogram = LogitHistogram.of(draw(0.5, shift=1)[0])
    assert estimate_offset(histogram + histogram, PRIOR) == estimate_offset(histogram, PRIOR)
    more = AdaptationPrior(most_frames=128)
    assert estimate_offset(histogram + histogram, more) != estimate_offset(histogram, more)


def test_one_odd_frame_does_not_move_a_place() -> None:
    logits = draw(0.0, shift=0)[0]
    odd = np.append(logits[1:], 11.0)
    assert abs(offsets(odd[np.newaxis])[0] - offsets(logits[np.newaxis])[0]) < 0.3


def test_mirrored_logits_have_the_mirrored_offset() -> None:
    logits = draw(0.3, shift=2)
    assert np.allclose(offsets(-logits), -offsets(logits), atol=0.02)


def test_a_place_between_both_classes_stays_where_it_is() -> None:
    logits = np.random.default_rng(0).normal(0, 0.5, (1, 64))
    assert abs(offsets(logits)[0]) < 0.5


def test_the_offset_of_a_place_does_not_depend_on_the_other_places() -> None:
    logits = draw(0.4, shift=-1)
    one_by_one = [estimate_offset(LogitHistogram.of(one), PRIOR) for one in logits]
    assert offsets(np.tile(logits, (5, 1))).tolist() == one_by_one * 5


# ---------------------------------------------------------------------------------------- histograms


def test_the_histogram_of_a_union_is_the_sum() -> None:
    first, second = draw(0.5, shift=0)[:2]
    both = LogitHistogram.of(np.concatenate([first, second]))
    assert np.array_equal(both.counts, (LogitHistogram.of(first) + LogitHistogram.of(second)).counts)
    assert both.frames == 128


def test_logits_beyond_the_bins_are_in_the_first_and_last() -> None:
    values = np.array([-np.inf, -50.0, -16.0, -0.001, 0.0, 0.125, 16.0, np.inf])
    assert logit_bins(values).tolist() == [
        0,
        0,
        0,
        BINS // 2 - 1,
        BINS // 2,
        BINS // 2 + 1,
        BINS - 1,
        BINS - 1,
    ]


def test_probabilities_of_a_table_have_the_bins_of_their_logits() -> None:
    logits = np.arange(-11.95, 12, 0.125)
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    assert np.array_equal(logit_bins(logits_of(probabilities)), logit_bins(logits))
    assert logits_of(np.array([0, 1], np.float32)).tolist() == [-np.inf, np.inf]


# ---------------------------------------------------------------------------------------- prior


def test_a_prior_that_a_model_card_holds_is_read_back() -> None:
    prior = AdaptationPrior(notflip_mean=-2.5, flip_share=(2.0, 3.0), most_frames=10)
    assert AdaptationPrior.from_json(prior.to_json()) == prior
    assert AdaptationPrior.from_json({}) == PRIOR


@pytest.mark.parametrize(
    "card",
    [
        {"flip_mean": -4},
        {"flip_deviation": 0},
        {"place_deviation": float("nan")},
        {"most_frames": 0.5},
        {"flip_share": [1, 0]},
        {"flip_share": [1]},
        {"flip_share": 1},
        {"unknown": 1},
        {"flip_mean": None},
        [1],
    ],
)
def test_a_prior_that_can_not_be_one_is_refused(card: dict) -> None:
    with pytest.raises((ValueError, TypeError)):
        AdaptationPrior.from_json(card)


def test_a_fitted_prior_is_that_of_the_frames() -> None:
    rng = np.random.default_rng(0)
    places = np.repeat(np.arange(60), 64)
    truth = rng.random(len(places)) < 0.4
    logits = np.where(truth, 2.0, -4.0) + 1.5 * rng.standard_t(4, len(places)) + rng.normal(0, 1, 60)[places]
    prior = AdaptationPrior.fit(logits, truth, places)
    assert prior.flip_mean - prior.notflip_mean == pytest.approx(6, abs=0.3)
    assert (prior.notflip_deviation, prior.flip_deviation) == pytest.approx((1.5, 1.5), abs=0.15)
    assert prior.place_deviation == pytest.approx(np.hypot(1, 1), abs=0.3)  # the middle lies at -1, not at 0


def test_a_widened_prior_has_wider_labels_at_the_same_places() -> None:
    wider = PRIOR.widened(1.5)
    assert (wider.notflip_deviation, wider.flip_deviation) == (3.0, 3.0)
    assert (wider.notflip_mean, wider.flip_mean, wider.boundary) == (-3.0, 3.0, PRIOR.boundary)
    assert wider.place_deviation == PRIOR.place_deviation


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_the_threshold_divides_the_classes_of_a_prior(threshold: float) -> None:
    prior = AdaptationPrior(-1, 1, 5, 2).around(threshold)
    assert prior.boundary == pytest.approx(np.log(threshold / (1 - threshold)))
    below, above = prior.boundary - prior.notflip_mean, prior.flip_mean - prior.boundary
    assert (below, above) == pytest.approx((2, 4))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_of_0_or_1_gives_a_finite_prior(threshold: float) -> None:
    assert abs(PRIOR.around(threshold).boundary) == pytest.approx(3.9, abs=0.1)


def test_places_of_one_label_can_not_fit_a_prior() -> None:
    with pytest.raises(ValueError, match="no place has frames of both labels"):
        AdaptationPrior.fit(np.array([-1.0, 1.0]), np.array([False, True]), np.array(["a", "b"]))
