"""Facts about the rows of the table of videos."""

from __future__ import annotations

from flipbatch.report.contents import gather
from flipbatch.report.video_rows import Strip, video_table
from tests.report.test_report import FLIP, NOTFLIP, make_run


def strip_of(tmp_path, frames) -> Strip:
    run, metrics, totals = make_run(tmp_path, {"v": frames})
    (row,) = video_table(gather(run, metrics, {}, totals), "cnn_model").rows
    return row.strip


def test_a_strip_is_an_outline_of_bars(tmp_path):
    strip = strip_of(tmp_path, [(NOTFLIP, 0.0), (NOTFLIP, 0.0), (FLIP, 1.0), (FLIP, 0.5)])
    assert (strip.width, strip.levels) == (4, "M0 9h2v-9h1v5h1V9z")


def test_the_truth_is_below_the_bars(tmp_path):
    strip = strip_of(tmp_path, [(FLIP, 0.9), (NOTFLIP, 0.9), (FLIP, 0.9), (FLIP, 0.9)])
    assert strip.truth == "M0 10h1v2h-1zM2 10h2v2h-2z"


def test_frames_without_a_probability_leave_a_gap(tmp_path):
    assert strip_of(tmp_path, [(FLIP, 1.0), (FLIP, "cut off"), (FLIP, 1.0)]).levels == "M0 9v-9h1v9h1v-9h1V9z"


def test_the_table_says_where_the_threshold_is(tmp_path):
    run, metrics, totals = make_run(tmp_path, {"v": [(FLIP, 0.9)]}, models={"m": 0.25})
    table = video_table(gather(run, metrics, {}, totals), "m")
    assert table.threshold == "6.75"
    assert table.heads[:3] == ["video", "timeline", "frames"]
