"""Two models on the same frames."""

import json

import numpy as np
import pytest

from flipbatch.evaluation.paired import paired_difference
from flipbatch.evaluation.tally import ModelTally
from tests.evaluation.simulated import groups_of_videos, some_videos

NAMES = ["f1", "balanced_accuracy"]


def tally_of(frames):
    groups = [str(i // 2) for i in range(len(frames))]
    return ModelTally.of(groups, frames, np.zeros_like(frames))


def slightly_worse(frames):
    """The same mistakes, and one more in each video."""
    (tp, fp, fn, tn), moved = frames.T, np.ones(len(frames), dtype=int)
    from_tp, from_tn = np.minimum(tp, moved), np.minimum(tn, moved)
    return np.stack([tp - from_tp, fp + from_tn, fn + from_tp, tn - from_tn], axis=1)


def test_a_model_does_not_differ_from_itself():
    tally = ModelTally.of(*some_videos(40))
    for part in paired_difference(tally, tally).values():
        for name in NAMES:
            assert part[name] == 0
            assert part[f"{name}_interval"] == [0, 0]
            assert part[f"{name}_interval_contains_0"] is True


@pytest.mark.parametrize("name", NAMES)
def test_a_paired_interval_is_much_narrower_where_models_make_the_same_mistakes(name):
    frames = groups_of_videos(np.random.default_rng(0), 60)
    a, b = tally_of(frames), tally_of(slightly_worse(frames))
    (a_low, a_high), (b_low, b_high) = (one.to_json()["frames"][f"{name}_interval"] for one in (a, b))
    difference = paired_difference(a, b)["frames"]
    low, high = difference[f"{name}_interval"]
    assert a_low < b_high  # the two intervals overlap
    assert high - low < np.hypot(a_high - a_low, b_high - b_low) / 3
    assert difference[name] == a.to_json()["frames"][name] - b.to_json()["frames"][name]
    assert 0 < low < difference[name] < high
    assert difference[f"{name}_interval_contains_0"] is False


def test_the_difference_of_two_swapped_models_has_the_other_sign():
    frames = groups_of_videos(np.random.default_rng(0), 20)
    a, b = tally_of(frames), tally_of(slightly_worse(frames))
    one, other = paired_difference(a, b)["frames"], paired_difference(b, a)["frames"]
    assert one["f1"] == -other["f1"]
    assert one["f1_interval"] == pytest.approx([-end for end in reversed(other["f1_interval"])])


@pytest.mark.parametrize(("groups", "enough"), [(5, False), (6, True)])
def test_fewer_than_six_groups_are_too_few_to_tell(groups, enough):
    frames = groups_of_videos(np.random.default_rng(0), 20)[: 2 * groups]
    difference = paired_difference(tally_of(frames), tally_of(slightly_worse(frames)))["frames"]
    assert difference["f1_interval"][0] > 0
    assert difference["enough_groups"] is enough


def test_one_group_has_a_difference_without_an_interval():
    a, b = (ModelTally.of(["a"], [counts], np.zeros((1, 4))) for counts in ([4, 1, 0, 1], [2, 1, 2, 1]))
    difference = paired_difference(a, b)["frames"]
    assert difference["f1"] == pytest.approx(8 / 9 - 4 / 7)
    assert difference["f1_interval"] is difference["f1_interval_contains_0"] is None


def test_what_is_undefined_for_one_model_is_null():
    quiet, loud = (ModelTally.of(["a", "b"], [[0, fp, 0, 4 - fp]] * 2, np.zeros((2, 4))) for fp in (0, 1))
    difference = paired_difference(quiet, loud)
    for part in difference.values():
        assert not part.pop("enough_groups")
        assert set(part.values()) == {None}


def test_models_that_were_measured_on_different_frames_are_refused():
    a, b = (ModelTally.of(["a"], [counts], np.zeros((1, 4))) for counts in ([4, 1, 0, 1], [4, 1, 1, 1]))
    with pytest.raises(ValueError, match="measured on different frames"):
        paired_difference(a, b)


def test_a_difference_is_plain_json():
    difference = paired_difference(ModelTally.of(*some_videos(9)), ModelTally.of(*some_videos(9)))
    assert json.loads(json.dumps(difference)) == difference
