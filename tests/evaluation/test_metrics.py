"""Counts, F1 and the clustered interval."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score, recall_score

from flipbatch.evaluation.metrics import (
    REPLICATES,
    BootstrapSums,
    Counts,
    ModelTally,
    f1_scores,
    poisson_weights,
    summary,
)

KEYS = ["f1", "precision", "recall", "accuracy", "balanced_accuracy", "tp", "fp", "fn", "tn", "f1_interval"]

decisions = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).map(np.array)
small = st.integers(0, 50)
counts = st.builds(Counts, small, small, small, small)


def some_videos(n, seed=0):
    """N ids, their frames' counts [n, 4], and one decision each [n, 4], some without one."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 9, (n, 4)) * rng.integers(0, 2, (n, 4))
    return [f"flip/{i:04}" for i in range(n)], frames, np.eye(5, 4, dtype=int)[rng.integers(0, 5, n)]


@settings(deadline=None)
@given(decisions)
def test_ratios_are_those_of_scikit_learn(pairs):
    truth, predicted = pairs.T
    ours = Counts.of(truth, predicted)
    if ours.f1 is not None:
        assert ours.f1 == pytest.approx(f1_score(truth, predicted))
    if ours.precision is not None:
        assert ours.precision == pytest.approx(precision_score(truth, predicted))
    if ours.recall is not None:
        assert ours.recall == pytest.approx(recall_score(truth, predicted))
    assert ours.accuracy == pytest.approx(accuracy_score(truth, predicted))
    if len(set(truth)) == 2:
        assert ours.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))


@settings(deadline=None)
@given(decisions, st.integers(0, 60))
def test_counts_of_two_parts_add_up_to_the_counts_of_the_whole(pairs, cut):
    parts = [Counts.of(*part.reshape(-1, 2).T) for part in (pairs[:cut], pairs[cut:])]
    assert parts[0] + parts[1] == Counts.of(*pairs.T)
    assert parts[0].total + parts[1].total == len(pairs)


def test_truth_and_decisions_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"truth has shape \(2,\) but predicted has \(1,\)"):
        Counts.of(np.array([True, False]), np.array([True]))


def test_nothing_counted_leaves_every_ratio_undefined():
    nothing = Counts()
    assert nothing.f1 is nothing.precision is nothing.recall is nothing.accuracy is None
    assert nothing.balanced_accuracy is None


def test_f1_is_undefined_only_without_positive_truth_and_positive_decision():
    assert Counts(tn=5).f1 is None
    assert Counts(fp=1, tn=5).f1 == 0
    assert Counts(fn=1, tn=5).f1 == 0
    assert Counts(tp=1).f1 == 1


def test_precision_is_undefined_only_without_positive_decision():
    assert Counts(fn=3, tn=5).precision is None
    assert Counts(fp=1, fn=3).precision == 0


def test_recall_is_undefined_only_without_positive_truth():
    assert Counts(fp=3, tn=5).recall is None
    assert Counts(fp=3, fn=1).recall == 0


def test_balanced_accuracy_is_undefined_unless_truth_has_both_classes():
    assert Counts(tp=3, fn=5).balanced_accuracy is None
    assert Counts(fp=3, tn=5).balanced_accuracy is None
    assert Counts(fp=3, fn=5).balanced_accuracy == 0


@settings(deadline=None)
@given(counts)
def test_f1_of_rows_is_f1_of_counts(one):
    (score,) = f1_scores(np.array([[one.tp, one.fp, one.fn, one.tn]]))
    assert one.f1 == (None if np.isnan(score) else score)


def test_summary_has_the_keys_of_metrics_json_in_order():
    values = summary(Counts(3, 1, 1, 5), (0.5, 0.9))
    assert list(values) == KEYS
    assert (values["f1"], values["tn"], values["f1_interval"]) == (0.75, 5, [0.5, 0.9])


def test_summary_of_nothing_is_all_null():
    assert summary(Counts(), None) == dict.fromkeys(KEYS)


def test_summary_without_an_interval_keeps_the_counts():
    assert summary(Counts(tn=2), None) == dict.fromkeys(KEYS) | {
        "accuracy": 1.0,
        "tp": 0,
        "fp": 0,
        "fn": 0,
        "tn": 2,
    }


def test_bootstrap_weights_never_change():
    assert poisson_weights(["flip/0002"])[0, :12].tolist() == [0, 0, 1, 0, 1, 2, 2, 2, 2, 0, 1, 0]


def test_bootstrap_weights_are_poisson_with_mean_one():
    weights = poisson_weights([f"flip/{i}" for i in range(1000)])
    assert weights.shape == (1000, REPLICATES)
    assert weights.mean() == pytest.approx(1, abs=0.005)
    assert weights.var() == pytest.approx(1, abs=0.01)
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.003)


def test_bootstrap_weights_of_two_videos_are_independent():
    weights = poisson_weights([f"flip/{i}" for i in range(50)])
    correlation = np.asarray(np.corrcoef(weights))[np.triu_indices(50, 1)]
    assert abs(correlation).max() < 5 / np.sqrt(REPLICATES)
    assert correlation.std() == pytest.approx(1 / np.sqrt(REPLICATES), rel=0.1)


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 2)), st.randoms())
def test_tallies_add_up_whatever_the_partition_and_the_order(part_of_video, random):
    ids, frames, videos = some_videos(len(part_of_video))
    whole = ModelTally.of(ids, frames, videos)
    parts = []
    for part in (0, 1, 2):
        rows = np.flatnonzero(part_of_video == part).tolist()
        random.shuffle(rows)
        parts.append(ModelTally.of([ids[i] for i in rows], frames[rows], videos[rows]))
    merged = sum(parts, start=ModelTally())
    assert np.array_equal(merged.frame_sums.sums, whole.frame_sums.sums)
    assert merged.to_json() == whole.to_json()


def test_sums_of_many_chunks_are_the_plain_sums():
    ids, frames, _ = some_videos(1200)
    expected = poisson_weights(ids).astype(np.int64).T @ frames
    assert np.array_equal(BootstrapSums.from_videos(ids, frames).sums, expected)


def resampled_interval(frames, replicates=2000):
    """The textbook's clustered bootstrap: draw videos with replacement."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(frames), (replicates, len(frames)))
    return np.quantile(f1_scores(frames[drawn].sum(axis=1)), [0.025, 0.975])


@pytest.mark.parametrize("n", [30, 120, 400])
def test_interval_is_near_that_of_resampling_videos(n):
    ids, frames, _ = some_videos(n)
    low, high = resampled_interval(frames)
    interval = BootstrapSums.from_videos(ids, frames).f1_interval()
    assert interval == pytest.approx((low, high), abs=0.15 * (high - low))


def test_interval_is_wider_where_frames_of_a_video_fail_together():
    ids = [str(i) for i in range(100)]
    alike = np.array([[10, 0, 0, 0], [0, 0, 10, 0]] * 50)
    mixed = np.full((100, 4), [5, 0, 5, 0])
    low, high = BootstrapSums.from_videos(ids, alike).f1_interval() or (0, 0)
    assert high - low > 0.1
    assert BootstrapSums.from_videos(ids, mixed).f1_interval() == pytest.approx((2 / 3, 2 / 3))


def test_one_video_has_no_interval():
    assert BootstrapSums.from_videos(["a"], [[5, 1, 1, 5]]).f1_interval() is None
    assert BootstrapSums.from_videos(["a", "unlabelled"], [[5, 1, 1, 5], [0, 0, 0, 0]]).f1_interval() is None
    assert BootstrapSums.from_videos(["a", "b"], [[5, 1, 1, 5], [0, 0, 0, 1]]).f1_interval() is not None


def test_no_interval_where_no_replicate_has_an_f1():
    assert BootstrapSums.from_videos(["a", "b", "c"], [[0, 0, 0, 4]] * 3).f1_interval() is None


def test_counts_of_another_shape_than_the_videos_are_refused():
    with pytest.raises(ValueError, match=r"counts of 2 videos must have shape \(2, 4\), not \(1, 4\)"):
        BootstrapSums.from_videos(["a", "b"], [[1, 2, 3, 4]])


def test_mean_f1_leaves_out_videos_without_one():
    tally = ModelTally.of(["a", "b", "c"], [[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 9]], np.zeros((3, 4)))
    assert tally.to_json()["per_video"] == {"mean_f1": 0.75, "defined_for": 2}


def test_labelled_videos_without_any_f1_have_a_null_mean():
    tally = ModelTally.of(["a"], [[0, 0, 0, 9]], [[0, 0, 0, 1]])
    assert tally.to_json()["per_video"] == {"mean_f1": None, "defined_for": 0}


def test_without_labels_everything_is_null():
    unlabelled = ModelTally.of(["a", "b"], np.zeros((2, 4)), np.zeros((2, 4)))
    nulls = dict.fromkeys(KEYS)
    expected = {"frames": nulls, "videos": nulls, "per_video": {"mean_f1": None, "defined_for": None}}
    assert unlabelled.to_json() == ModelTally().to_json() == expected


def test_a_tally_survives_pickle_and_json():
    tally = ModelTally.of(*some_videos(10))
    copy = pickle.loads(pickle.dumps(tally))
    assert json.loads(json.dumps(copy.to_json())) == tally.to_json()
