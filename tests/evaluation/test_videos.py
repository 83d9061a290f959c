"""Frames become one row per video."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.evaluation.counts import Counts
from flipbatch.evaluation.videos import tally, videos_of
from flipbatch.schema import PREDICTIONS, VIDEOS, Label, Status

THRESHOLD = float(np.float32(0.4))
FLIP, NOTFLIP = str(Label.FLIP), str(Label.NOTFLIP)

probability = st.floats(0, 1, width=32)
frame = st.tuples(st.sampled_from([FLIP, NOTFLIP, None]), st.none() | probability)
one_label = st.sampled_from([FLIP, NOTFLIP, None]).flatmap(
    lambda label: st.lists(st.tuples(st.just(label), st.none() | probability), min_size=1, max_size=5)
)
video = st.one_of(one_label, st.lists(frame, min_size=1, max_size=5))


def predictions_of(videos):
    """Table of frames from {video_id: [(label, probability or None if it failed)]}."""
    rows = [
        {
            "video_id": video_id,
            "frame_number": number,
            "uri": f"{video_id}_{number}.jpg",
            "label": label,
            "status": str(Status.CORRUPT if p is None else Status.OK),
            "error": "cut off" if p is None else None,
            "flip_probability": p,
            "prediction": decision(p),
        }
        for video_id, frames in videos.items()
        for number, (label, p) in enumerate(frames)
    ]
    table = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    groups = [group_of(video_id) for video_id in table["video_id"].to_pylist()]
    return table.append_column("group", pa.array(groups, pa.string()))


def group_of(video_id):
    return video_id.rpartition("/")[2]


def decision(p):
    return None if p is None else FLIP if p >= THRESHOLD else NOTFLIP


def row_of(video_id, frames):
    """What the row of a video must be, frame by frame."""
    labels = {label for label, _ in frames if label}
    scored = [p for _, p in frames if p is not None]
    mean = sum(scored) / len(scored) if scored else None
    pairs = [(label == FLIP, decision(p) == FLIP) for label, p in frames if label and p is not None]
    counts = sum((Counts.of(np.array([t]), np.array([d])) for t, d in pairs), start=Counts())
    return {
        "model": "m",
        "video_id": video_id,
        "label": labels.pop() if len(labels) == 1 else None,
        "frames": len(frames),
        "scored": len(scored),
        "errors": len(frames) - len(scored),
        "predicted_flip_frames": sum(p >= THRESHOLD for p in scored),
        "mean_probability": mean,
        "max_probability": max(scored, default=None),
        "prediction": decision(mean),
        **vars(counts),
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "group": group_of(video_id),
    }


def one_row(*frames):
    (row,) = videos_of(predictions_of({"v": frames}), "m", THRESHOLD).to_pylist()
    return row


@settings(deadline=None)
@given(st.lists(video, max_size=6))
def test_rows_are_those_of_a_loop_over_frames(videos):
    named = {f"flip/{i:04}": frames for i, frames in enumerate(videos)}
    table = videos_of(predictions_of(named), "m", THRESHOLD)
    assert table.schema == VIDEOS
    assert table.to_pylist() == [row_of(video_id, frames) for video_id, frames in named.items()]


def test_no_frames_give_no_rows():
    table = videos_of(predictions_of({}), "m", THRESHOLD)
    assert table.num_rows == 0
    assert table.schema == VIDEOS


def test_a_table_in_many_chunks_gives_the_same_rows():
    table = predictions_of({"a": [(FLIP, 0.9)] * 3, "b": [(None, None), (NOTFLIP, 0.1)]})
    chunks = pa.concat_tables([table.slice(i, 1) for i in range(table.num_rows)])
    assert videos_of(chunks, "m", THRESHOLD).equals(videos_of(table, "m", THRESHOLD))


def test_a_video_in_two_places_is_refused():
    table = predictions_of({"a": [(FLIP, 0.9)], "b": [(FLIP, 0.9)]})
    with pytest.raises(ValueError, match="frames of video 'a' are not consecutive"):
        videos_of(pa.concat_tables([table, table.slice(0, 1)]), "m", THRESHOLD)


def test_a_label_is_the_one_that_all_labelled_frames_share():
    assert one_row((FLIP, 0.9), (None, 0.9))["label"] == FLIP
    assert one_row((NOTFLIP, None))["label"] == NOTFLIP
    assert one_row((FLIP, 0.9), (NOTFLIP, 0.9))["label"] is None
    assert one_row((None, 0.9))["label"] is None


def test_a_video_without_a_scored_frame_has_no_probability_and_no_decision():
    row = one_row((FLIP, None), (FLIP, None))
    assert (row["scored"], row["errors"]) == (0, 2)
    assert row["mean_probability"] is row["max_probability"] is row["prediction"] is None
    assert row["f1"] is row["precision"] is row["recall"] is None


def test_failed_frames_are_in_no_mean_and_no_count():
    row = one_row((FLIP, 0.5), (FLIP, None))
    assert (row["mean_probability"], row["tp"], row["fn"]) == (0.5, 1, 0)


def test_a_video_is_flip_when_its_mean_reaches_the_threshold():
    assert one_row((None, THRESHOLD), (None, THRESHOLD), (None, THRESHOLD))["prediction"] == FLIP
    assert one_row((None, np.nextafter(np.float32(THRESHOLD), np.float32(0))))["prediction"] == NOTFLIP


def test_f1_of_a_quiet_video_is_null_and_not_zero():
    assert one_row((NOTFLIP, 0.1))["f1"] is None
    assert one_row((NOTFLIP, 0.9))["f1"] == 0


def test_one_video_is_one_decision_of_the_tally():
    videos = {
        "a": [(FLIP, 0.9), (FLIP, 0.8)],
        "b": [(NOTFLIP, 0.9)],
        "c": [(FLIP, 0.1)],
        "d": [(NOTFLIP, 0.1)],
    }
    got = tally(videos_of(predictions_of(videos), "m", THRESHOLD))
    assert got.videos == Counts(1, 1, 1, 1)
    assert got.frames == Counts(2, 1, 1, 1)


def test_a_video_without_label_or_decision_is_no_decision_of_the_tally():
    videos = {"torn": [(FLIP, 0.9), (NOTFLIP, 0.1)], "bare": [(None, 0.9)], "failed": [(FLIP, None)]}
    got = tally(videos_of(predictions_of(videos), "m", THRESHOLD))
    assert got.videos == Counts()
    assert got.frames == Counts(tp=1, tn=1)


@settings(max_examples=25, deadline=None)
@given(st.lists(video, min_size=1, max_size=8), st.integers(0, 8))
def test_tallies_of_two_halves_of_the_videos_add_up(videos, cut):
    named = {f"flip/{i:04}": frames for i, frames in enumerate(videos)}
    table = videos_of(predictions_of(named), "m", THRESHOLD)
    assert (tally(table[cut:]) + tally(table[:cut])).to_json() == tally(table).to_json()


def test_intervals_are_clustered_by_group():
    one_group = {"flip/1": [(FLIP, 0.9), (FLIP, 0.1)], "notflip/1": [(NOTFLIP, 0.1)]}
    two_groups = one_group | {"flip/2": [(FLIP, 0.9)]}
    of_one, of_two = (tally(videos_of(predictions_of(v), "m", THRESHOLD)) for v in (one_group, two_groups))
    assert of_one.frame_sums.f1_interval() is None
    assert of_two.frame_sums.f1_interval() is not None


def test_mean_f1_is_that_of_the_f1_column():
    videos = {"a": [(FLIP, 0.9), (FLIP, 0.1)], "b": [(FLIP, 0.9)], "c": [(NOTFLIP, 0.1)]}
    table = videos_of(predictions_of(videos), "m", THRESHOLD)
    defined = table["f1"].drop_null().to_pylist()
    assert tally(table).mean_f1 == pytest.approx(math.fsum(defined) / len(defined))


def test_videos_of_two_models_are_refused_in_one_tally():
    table = predictions_of({"a": [(FLIP, 0.9)]})
    both = pa.concat_tables([videos_of(table, name, THRESHOLD) for name in ("n", "m")])
    with pytest.raises(ValueError, match="a tally is of one model, but these videos are of m, n"):
        tally(both)
