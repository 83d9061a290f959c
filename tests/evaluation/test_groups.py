"""Metrics of each group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.evaluation.groups import MeasuredFrames, group_metrics

ROW = st.tuples(st.booleans(), st.floats(0, 1, width=16), st.sampled_from("abc"), st.sampled_from("xy"))


def frames(rows: list[tuple[bool, float, str, str]]) -> MeasuredFrames:
    truth, probability, video, group = (np.array(column) for column in zip(*rows, strict=True))
    return MeasuredFrames(truth, probability >= 0.5, probability, video, group)


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=40))
def test_groups_divide_the_frames(rows: list[tuple[bool, float, str, str]]):
    measured = group_metrics(frames(rows))
    assert [one["group"] for one in measured] == sorted({row[3] for row in rows})
    assert sum(one["frames"] for one in measured) == len(rows)
    assert sum(one["flips"] for one in measured) == sum(row[0] for row in rows)


@settings(deadline=None)
@given(st.lists(ROW, min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, float, str, str]]):
    rows = [(truth, probability, video, "x") for truth, probability, video, _ in rows]
    flips, others = ([row[1] for row in rows if row[0] is label] for label in (True, False))
    pairs = [(flip > other) + 0.5 * (flip == other) for flip in flips for other in others]
    auc = group_metrics(frames(rows))[0]["auc"]
    assert auc == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_a_threshold_that_fits_one_group_only_shows():
    rows = [(True, 0.9, "a", "x"), (False, 0.1, "b", "x"), (True, 0.9, "c", "y"), (False, 0.8, "d", "y")]
    fits, too_low = group_metrics(frames(rows))
    assert (fits["balanced_accuracy"], too_low["balanced_accuracy"]) == (1.0, 0.5)
    assert (fits["auc"], too_low["auc"]) == (1.0, 1.0)


def test_intervals_are_over_videos_and_need_six():
    videos = "abcdef"
    rows = [(True, 0.9, video, "x") for video in videos[:5]] + [(True, 0.1, "f", "x")]
    few, enough = group_metrics(frames(rows[1:]))[0], group_metrics(frames(rows))[0]
    assert few["f1_interval"] is None
    low, high = enough["f1_interval"]
    assert low < enough["f1"] < high


def test_calling_every_frame_flip_is_beside_f1():
    rows = [(True, 0.9, "a", "x"), (False, 0.1, "a", "x")]
    assert group_metrics(frames(rows))[0]["f1_of_all_flip"] == pytest.approx(2 / 3)
