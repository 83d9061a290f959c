"""Sums of one model, and the JSON of its metrics."""

import json
import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flipbatch.evaluation.bootstrap import BootstrapSums
from flipbatch.evaluation.counts import Counts
from flipbatch.evaluation.tally import ModelTally, metrics_of
from tests.evaluation.simulated import some_videos

KEYS = ["f1", "precision", "recall", "accuracy", "balanced_accuracy", "tp", "fp", "fn", "tn"]
KEYS += ["f1_interval", "balanced_accuracy_interval"]


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 2)), st.randoms())
def test_tallies_add_up_whatever_the_partition_and_the_order(part_of_video, random):
    groups, frames, videos = some_videos(len(part_of_video))
    whole = ModelTally.of(groups, frames, videos)
    parts = []
    for part in (0, 1, 2):
        rows = np.flatnonzero(part_of_video == part).tolist()
        random.shuffle(rows)
        parts.append(ModelTally.of([groups[i] for i in rows], frames[rows], videos[rows]))
    merged = sum(parts, start=ModelTally())
    assert np.array_equal(merged.frame_sums.sums, whole.frame_sums.sums)
    assert merged.to_json() == whole.to_json()


def test_metrics_have_the_keys_of_metrics_json_in_order():
    values = metrics_of(Counts(3, 1, 1, 5), BootstrapSums())
    assert list(values) == KEYS
    assert (values["f1"], values["tn"]) == (0.75, 5)


def test_frames_and_videos_have_both_intervals():
    metrics = ModelTally.of(*some_videos(40)).to_json()
    for part in (metrics["frames"], metrics["videos"]):
        for name in ("f1", "balanced_accuracy"):
            low, high = part[f"{name}_interval"]
            assert 0 <= low < part[name] < high <= 1


def test_metrics_of_nothing_are_all_null():
    assert metrics_of(Counts(), BootstrapSums()) == dict.fromkeys(KEYS)


def test_metrics_without_intervals_keep_the_counts():
    expected = dict.fromkeys(KEYS) | {"accuracy": 1.0, "tp": 0, "fp": 0, "fn": 0, "tn": 2}
    assert metrics_of(Counts(tn=2), BootstrapSums()) == expected


def test_two_videos_of_one_group_have_no_interval():
    tally = ModelTally.of(["book", "book"], [[5, 0, 1, 0], [0, 1, 0, 5]], [[1, 0, 0, 0], [0, 0, 0, 1]])
    assert tally.to_json()["frames"]["f1_interval"] is None
    assert tally.to_json()["videos"]["balanced_accuracy"] == 1


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
