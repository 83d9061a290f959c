"""Facts about `flipbatch.evaluation.event_tally`."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.evaluation.event_tally import EventTally, tally_turns
from tests.evaluation.films import TURN, film, smooth


def tally(*videos):
    """Tally videos, each (found, labels): a letter per frame, F is flip, - is not, ? is no label."""
    found, labels = ("".join(column) for column in zip(*videos, strict=True))
    of = [number for number, (frames, _) in enumerate(videos) for _ in frames]
    found, labels = np.array(list(found)), np.array(list(labels))
    counted = np.ones(len(found), bool)
    return EventTally.of(found == "F", labels == "F", labels == "-", np.array(of), counted)


def events(*videos):
    one = tally(*videos)
    return one.true, one.found, one.matched


def test_the_same_turn_is_a_match():
    assert events(("--FFF--", "--FFF--")) == (1, 1, 1)


def test_turns_match_from_three_tenths_of_their_frames_on():
    assert events(("---FFF-----", "FFFFFFFFFF-")) == (1, 1, 1)
    assert events(("----FF-----", "FFFFFFFFFF-")) == (1, 1, 0)


def test_no_turn_is_matched_twice():
    assert events(("FF-FF-", "FFFFF-")) == (1, 2, 1)
    assert events(("FFFFF-", "FF-FF-")) == (2, 1, 1)


def test_one_turn_over_many_true_ones_is_one_match():
    assert events(("FFFFFFFFFFFFFF-", "FF-FF-FF-FF-FF-")) == (5, 1, 1)


def test_the_better_overlap_is_matched_first():
    assert events(("FF-FFFFFF-", "FFFFFFFFF-"), ("--FF", "--FF")) == (2, 3, 2)


def test_a_turn_does_not_go_on_in_the_next_video():
    assert events(("-FF", "-FF"), ("FF-", "FF-")) == (2, 2, 2)


def test_videos_of_one_label_say_nothing_of_turns():
    one = tally(("-FF-", "FFFF"), ("-FF-", "----"), ("-FF-", "????"))
    assert (one.true, one.found, one.videos) == (0, 0, 0)
    assert one.to_json()["events"] is None
    assert one.frames.total == 8


def test_frames_without_a_label_are_passed_over():
    assert events(("-FF-FFF", "-FF-???")) == (1, 1, 1)


def test_metrics_of_turns_are_ratios_of_the_counts():
    found = tally(("-FF--FF-", "-FF-----"), ("--------", "-FF--FF-")).to_json()["events"]
    assert (found["precision"], found["recall"], found["f1"]) == (1 / 2, 1 / 3, 2 / 5)
    assert (found["true"], found["found"], found["matched"], found["videos"]) == (3, 2, 1, 2)
    assert found["least_overlap"] == 0.3


VIDEO = st.integers(1, 12).flatmap(
    lambda frames: st.tuples(
        *(st.text(letters, min_size=frames, max_size=frames) for letters in ("F-", "F-?"))
    )
)


@given(st.lists(VIDEO, min_size=2, max_size=6))
def test_tallies_of_videos_add_up(videos):
    alone = sum((tally(video) for video in videos), start=EventTally())
    assert alone == tally(*videos)


def test_frames_are_counted_where_they_have_a_label_and_a_probability_of_their_own():
    values, labels = list(TURN), [None] + ["notflip"] * 39 + ["flip"] * 20 + ["notflip"] * 40
    values[50] = None
    found = tally_turns(smooth(film("a", values, label=labels), film("b", [0.9], label=["flip"])))
    counts = found.to_json()["frames_smoothed"]
    assert (counts["tp"], counts["fp"], counts["fn"], counts["tn"]) == (19, 0, 0, 79)
    assert counts["f1"] == 1
    assert (found.true, found.found, found.matched) == (1, 1, 1)


def test_without_labels_nothing_is_counted():
    none = {"events": None, "frames_smoothed": None}
    assert tally_turns(smooth(film("a", TURN))).to_json() == none
    assert tally_turns(smooth()).to_json() == none
