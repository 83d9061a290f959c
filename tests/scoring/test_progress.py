"""Facts about `flipbatch.scoring.progress`."""

from __future__ import annotations

import io

import pytest

from flipbatch.scoring.progress import Progress


class Clock:
    """A clock that tests set."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    return io.StringIO()


def test_a_line_has_what_is_done_the_rate_the_time_left_and_errors(clock, log):
    progress = Progress(10_000, stream=log, clock=clock)
    clock.seconds += 2
    progress.add(2_500, 1_250)
    assert progress.line() == "scored 2,500 of 10,000 frames, 1,250 frames/s, 6 s left, 1,250 errors"


def test_a_line_is_written_at_most_every_ten_seconds(clock, log):
    progress = Progress(1_000, stream=log, clock=clock)
    for _ in range(25):
        clock.seconds += 1
        progress.add(1, 0)
    assert [line.partition(" frames,")[0] for line in log.getvalue().splitlines()] == [
        "scored 10 of 1,000",
        "scored 20 of 1,000",
    ]


def test_nothing_is_written_before_the_first_ten_seconds(clock, log):
    progress = Progress(10, stream=log, clock=clock)
    clock.seconds += 9.9
    progress.add(1, 0)
    assert log.getvalue() == ""


def test_the_end_is_always_written(clock, log):
    progress = Progress(10, stream=log, clock=clock)
    clock.seconds += 5
    progress.add(10, 1)
    progress.close()
    assert log.getvalue() == "scored 10 of 10 frames, 2 frames/s, done, 1 error\n"


def test_frames_done_before_count_as_done_and_not_towards_the_rate(clock, log):
    progress = Progress(100, done=50, stream=log, clock=clock)
    clock.seconds += 10
    progress.add(10, 0)
    assert progress.line() == "scored 60 of 100 frames, 1 frames/s, 40 s left, 0 errors"


def test_a_resume_that_guessed_too_high_says_done(clock, log):
    progress = Progress(100, done=60, stream=log, clock=clock)
    clock.seconds += 1
    progress.add(45, 0)
    assert progress.line() == "scored 105 of 100 frames, 45 frames/s, done, 0 errors"


def test_before_any_frame_there_is_no_rate(clock, log):
    assert (
        Progress(5, stream=log, clock=clock).line()
        == "scored 0 of 5 frames, 0 frames/s, no rate yet, 0 errors"
    )


@pytest.mark.parametrize(
    ("left", "text"), [(59, "59 s"), (61, "1 min 01 s"), (3_599, "59 min 59 s"), (7_260, "2 h 01 min")]
)
def test_the_time_left_is_in_words(clock, log, left, text):
    progress = Progress(left + 1, stream=log, clock=clock)
    clock.seconds += 1
    progress.add(1, 0)
    assert f", {text} left, " in progress.line()


def test_a_terminal_has_a_bar_with_errors_and_no_lines(clock):
    terminal = Terminal()
    progress = Progress(10, stream=terminal, clock=clock)
    clock.seconds += 60
    progress.add(10, 3)
    progress.close()
    assert "10/10" in terminal.getvalue()
    assert "errors=3" in terminal.getvalue()
    assert "frames/s, " not in terminal.getvalue()


def test_it_writes_to_standard_error(clock, capsys):
    Progress(1, clock=clock).close()
    assert capsys.readouterr().err.startswith("scored 0 of 1 frame,")
