"""Facts about `flipbatch.scoring.timelines`."""

from __future__ import annotations

import numpy as np

from flipbatch.scoring.timelines import NO_LEVEL, STRETCHES, TIMELINES, timelines
from tests.scoring.test_totals import rows_of


def test_a_short_video_has_a_value_per_frame():
    rows = rows_of({"a": [("flip", 1.0), (None, 0.5), ("notflip", None)], "b": [("notflip", 0.0)]})
    assert timelines(rows).to_pylist() == [
        {"levels": [9, 4, NO_LEVEL], "truth": [True, False, False], "turns": [False] * 3},
        {"levels": [0], "truth": [False], "turns": [False]},
    ]


def test_a_long_video_has_as_many_values_as_there_is_place_for():
    (row,) = timelines(rows_of({"a": [("flip", index / 1000) for index in range(1000)]})).to_pylist()
    assert len(row["levels"]) == STRETCHES
    assert (row["levels"][0], row["levels"][-1]) == (0, 9)
    assert row["levels"] == sorted(row["levels"])


def test_one_flip_of_a_long_video_is_seen():
    frames = [("notflip", 0.0)] * 999 + [("flip", 1.0)]
    (row,) = timelines(rows_of({"a": frames})).to_pylist()
    assert row["levels"] == [0] * (STRETCHES - 1) + [9]
    assert row["truth"] == [False] * (STRETCHES - 1) + [True]


def test_a_stretch_is_in_a_page_turn_if_a_frame_of_it_is():
    rows = rows_of({"a": [(None, 0.5)] * 3, "b": [(None, 0.5)] * 80})
    turning = np.isin(np.arange(83), [1, 2, 82])
    first, second = timelines(rows, turning)["turns"].to_pylist()
    assert first == [False, True, True]
    assert second == [False] * 39 + [True]


def test_no_frames_have_no_timelines():
    assert timelines(rows_of({})).schema == TIMELINES
