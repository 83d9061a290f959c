"""Facts about `flipbatch.scoring.totals` and `flipbatch.scoring.figures`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.evaluation.examples import MOST_EXAMPLES
from flipbatch.evaluation.videos import videos_of
from flipbatch.schema import PREDICTIONS
from flipbatch.scoring.figures import (
    BINS,
    FIRST_ERRORS,
    TOP_VIDEOS,
    FrameError,
    histogram,
    merged_errors,
)
from flipbatch.scoring.totals import ModelTotals, PartTotals


def rows_of(videos, threshold=0.5):
    """Predictions from {video_id: [(label, probability, or None for a corrupt frame)]}."""
    rows = [
        {
            "video_id": video_id,
            "frame_number": number,
            "uri": f"/f/{video_id}_{number}.jpg",
            "label": label,
            "status": "corrupt" if value is None else "ok",
            "error": "cut off" if value is None else None,
            "flip_probability": value,
            "prediction": None if value is None else "flip" if value >= threshold else "notflip",
        }
        for video_id, frames in sorted(videos.items())
        for number, (label, value) in enumerate(frames)
    ]
    table = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    return table.append_column("group", table["video_id"])


def totals_of(videos, threshold=0.5, labelled=True):
    rows = rows_of(videos, threshold)
    model = ModelTotals.of(rows, videos_of(rows, "m", threshold), labelled, threshold)
    return PartTotals.of(rows, {"m": model})


def comparable(totals):
    """Return totals as values that compare."""
    model = totals.models["m"]
    counts = (totals.frames, totals.videos, totals.labelled, totals.status, totals.errors)
    return counts, model.tally.to_json(), model.histogram.tolist(), model.videos, model.examples


def test_totals_of_no_parts_are_nothing():
    assert PartTotals() + PartTotals() == PartTotals()


labels = st.sampled_from(["flip", "notflip", None])
frames = st.lists(st.tuples(labels, st.none() | st.floats(0, 1, width=32)), min_size=1, max_size=4)


@given(st.lists(frames, min_size=2, max_size=60), st.data())
@settings(max_examples=25, deadline=None)
def test_totals_of_parts_add_up_to_those_of_the_whole(videos, data):
    named = {f"v{number:03d}": video for number, video in enumerate(videos)}
    labelled = any(label is not None for video in videos for label, _ in video)
    cut = data.draw(st.integers(1, len(videos) - 1))
    names = list(named)
    first, second = ({name: named[name] for name in some} for some in (names[:cut], names[cut:]))
    whole = PartTotals() + totals_of(first, labelled=labelled) + totals_of(second, labelled=labelled)
    assert comparable(whole) == comparable(totals_of(named, labelled=labelled))


def test_histograms_count_the_scored_frames_by_label():
    rng = np.random.default_rng(0)
    values = rng.random(60).astype(np.float32).tolist()
    videos = {"a": [("flip", value) for value in values[:20]], "b": [(None, value) for value in values[20:]]}
    counts = histogram(rows_of(videos | {"c": [("flip", None)]}))
    assert counts.sum(axis=1).tolist() == [20, 0, 40]
    assert counts[2].tolist() == np.histogram(values[20:], BINS, (0, 1))[0].tolist()


def test_probabilities_0_and_1_are_in_the_outer_bins():
    counts = histogram(rows_of({"a": [("flip", 0.0), ("flip", 1.0), ("flip", 1.0)]}))[0]
    assert (counts[0], counts[-1]) == (1, 2)


def test_the_videos_with_the_most_wrong_frames_come_first():
    videos = {f"v{i:03d}": [("flip", 0.1)] * (i % 40) + [("flip", 0.9)] for i in range(90)}
    figures = totals_of(videos).video_figures["m"]
    expected = sorted(videos, key=lambda video: (1 - len(videos[video]), video))
    assert figures.top["video_id"].to_pylist() == expected
    assert (figures.videos, figures.wrong_videos) == (90, 87)


def test_without_labels_the_videos_with_the_most_flips_come_first():
    videos = {"a": [(None, 0.9)], "b": [(None, 0.9)] * 3, "c": [(None, 0.1)], "d": [(None, 0.9)]}
    figures = totals_of(videos, labelled=False).video_figures["m"]
    assert figures.top["video_id"].to_pylist() == ["b", "a", "d", "c"]
    assert (figures.wrong_videos, figures.flip_videos, figures.flip_frames) == (0, 3, 5)


def test_the_first_failed_frames_of_all_parts_are_kept():
    parts = [{f"v{part}{i:02d}": [("flip", 0.9), ("flip", None)] for i in range(15)} for part in range(3)]
    totals = sum(map(totals_of, parts), start=PartTotals())
    uris = [f"/f/{video}_1.jpg" for part in parts for video in part]
    assert [error.uri for error in totals.errors] == uris[:FIRST_ERRORS]


def test_a_rare_status_is_not_hidden_by_a_frequent_one():
    frequent = tuple(FrameError(f"a{i}", "corrupt", "cut off") for i in range(FIRST_ERRORS + 1))
    rare = FrameError("z", "missing", "gone")
    assert merged_errors(frequent, (rare,)) == (*frequent[:FIRST_ERRORS], rare)


@pytest.mark.parametrize("videos", [3, 11_000])
def test_the_size_of_totals_does_not_depend_on_the_number_of_videos(videos):
    totals = totals_of({f"v{i:04d}": [("flip", 0.1), ("flip", None)] for i in range(videos)})
    assert totals.models["m"].videos.top.num_rows == min(videos, TOP_VIDEOS)
    assert len(totals.models["m"].examples.missed) == min(videos, MOST_EXAMPLES)
    assert len(totals.errors) <= FIRST_ERRORS
    assert totals.models["m"].histogram.shape == (3, BINS)
