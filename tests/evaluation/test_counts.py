"""Confusion matrices and their ratios."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score, recall_score

from flipbatch.evaluation.counts import Counts, as_rows, balanced_accuracy_of_rows, f1_of_rows

decisions = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).map(np.array)
small = st.integers(0, 50)
counts = st.builds(Counts, small, small, small, small)


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
def test_ratios_of_rows_are_those_of_counts(one):
    row = np.array([[one.tp, one.fp, one.fn, one.tn]])
    f1, balanced_accuracy = float(f1_of_rows(row)[0]), float(balanced_accuracy_of_rows(row)[0])
    assert one.f1 == (None if np.isnan(f1) else f1)
    assert one.balanced_accuracy == (None if np.isnan(balanced_accuracy) else balanced_accuracy)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"counts of 2 rows must have shape \(2, 4\), not \(1, 4\)"):
        as_rows([[1, 2, 3, 4]], 2)


@given(st.lists(counts, max_size=5))
def test_counts_of_rows_are_their_sum(several):
    rows = np.array([[one.tp, one.fp, one.fn, one.tn] for one in several], dtype=int).reshape(-1, 4)
    assert Counts.of_rows(rows) == sum(several, start=Counts())
