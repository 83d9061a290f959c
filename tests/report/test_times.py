"""Facts about `flipbatch.report.times`."""

from __future__ import annotations

from flipbatch.report.times import time_sentences
from flipbatch.scoring.timing import Timing

TIMING = Timing(frames=100, first=10.0, last=14.0, decoding=3.0, predicting=1.0, workers=frozenset({"a"}))


def test_a_report_says_how_fast_its_command_was() -> None:
    first, second = time_sentences(TIMING)
    assert first == "The command that wrote this report scored 100 frames in 4.0 s: 25 frames/s by 1 process."
    assert "75 % went into reading and decoding, 25 % into" in second


def test_a_report_says_nothing_of_a_command_that_scored_nothing() -> None:
    assert time_sentences(Timing()) == []
