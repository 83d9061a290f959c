"""Facts about `flipbatch.report.terminal`."""

from __future__ import annotations

import pytest

from flipbatch.report.terminal import comparison_lines, error_rate, summary_lines

NO_ERRORS = {"missing": 0, "unreadable": 0, "corrupt": 0, "too_large": 0, "unsupported": 0}
SCORES = {"f1": 0.8571, "balanced_accuracy": 0.9, "f1_interval": [0.75, 0.925]}
MODEL = {"frames": SCORES, "videos": SCORES, "per_video": {"mean_f1": 0.5, "defined_for": 3}}
UNKNOWN = {"f1": None, "balanced_accuracy": None, "f1_interval": None}


def metrics(total=10, scored=10, errors=None, misnamed=0, note=None, models=None):
    return {
        "frames": {
            "total": total,
            "scored": scored,
            "errors": NO_ERRORS | (errors or {}),
            "misnamed": misnamed,
        },
        "videos": 2,
        "note": note,
        "models": {"cnn_model": MODEL} if models is None else models,
    }


@pytest.mark.parametrize(("total", "scored", "rate"), [(10, 10, 0), (10, 8, 0.2), (3, 0, 1), (0, 0, 0)])
def test_the_error_rate_is_the_share_of_frames_without_probability(total, scored, rate):
    assert error_rate(metrics(total, scored)) == pytest.approx(rate)


@pytest.mark.parametrize(("name", "end"), [("cnn_model", "cnn_model."), ("m" * 90, f"{'m' * 29}…")])
def test_a_run_that_adapts_says_that_frames_depend_on_their_neighbours(name, end):
    offsets = {"smallest": -1.204, "median": 0.1, "largest": 2.35}
    adaptation = {"frames_per_place": 64, "places": 12, "frames": 640, "models": {name: offsets}}
    lines = summary_lines(metrics() | {"adaptation": adaptation})
    assert lines[1:4] == [
        "Adapted to 12 places, by 640 frames without their labels.",
        "A frame's probability depends on the other frames of its place.",
        f"Offsets from -1.20 to +2.35 logits, median +0.10: {end}",
    ]
    assert (
        lines[:1] + lines[4:] == summary_lines(metrics() | {"adaptation": None}) == summary_lines(metrics())
    )


def test_one_frame_of_one_video_is_not_called_several():
    lines = summary_lines(metrics(total=1, scored=1) | {"videos": 1})
    assert lines[0] == "1 of 1 frame of 1 video scored"


def test_a_summary_has_a_line_per_model():
    assert summary_lines(metrics(total=1_234, scored=1_234)) == [
        "1,234 of 1,234 frames of 2 videos scored",
        "               balanced accuracy",
        "model            videos   frames      F1  95 % interval    video F1",
        "cnn_model         0.900    0.900   0.857  0.750 to 0.925      0.857",
    ]


@pytest.mark.parametrize(
    ("events", "end"), [(None, ""), ({"f1": None}, ""), ({"f1": 0.98}, ", F1 of turns 0.980")]
)
def test_page_turns_that_were_found_are_counted(events, end):
    model = MODEL | {"page_turns": 1_200, "stills": 1, "events": events}
    line = summary_lines(metrics(models={"m" * 30: model, "none": MODEL | {"page_turns": 0}}))[-1]
    assert line == f"{'m' * 23}…: 1,200 page turns, 1 still{end}"


def test_errors_are_listed_by_kind():
    lines = summary_lines(metrics(scored=7, errors={"corrupt": 2, "missing": 1}, misnamed=4))
    assert lines[1:4] == ["  1 missing", "  2 corrupt", "  4 files are not frames: see misnamed.parquet"]


@pytest.mark.parametrize(
    ("number", "lines"),
    [
        (1, ["  1 file is not a frame: see misnamed.parquet", "    /f/a\\x1b.txt"]),
        (2, ["  2 files are not frames: see misnamed.parquet", "    /f/a\\x1b.txt", "    …"]),
    ],
)
def test_files_that_are_not_frames_are_named(number, lines):
    named = metrics(misnamed=number) | {"misnamed_examples": ["/f/a\x1b.txt"]}
    assert summary_lines(named)[1 : 1 + len(lines)] == lines


def test_a_long_name_keeps_its_end():
    named = metrics(misnamed=1) | {"misnamed_examples": ["/f" * 90 + "/cover.jpg"]}
    line = summary_lines(named)[2]
    assert len(line) == 80
    assert line.endswith("/f/cover.jpg")


def test_without_labels_a_summary_says_why_there_is_no_f1():
    assert summary_lines(metrics(note="No frame has a label."))[-1] == "No frame has a label."


def test_an_undefined_value_is_a_dash():
    model = {"frames": UNKNOWN, "videos": UNKNOWN, "per_video": {"mean_f1": None}}
    assert summary_lines(metrics(models={"m": model}))[-1].split() == ["m", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize("name", ["m", "a_model_of_20_letters", "x" * 28, "x" * 90])
def test_no_line_is_longer_than_80_columns_and_columns_align(name):
    huge = metrics(10**12, 10**12, {"corrupt": 10**12}, 10**12, models={name: MODEL, "b": MODEL})
    lines = summary_lines(huge)
    assert max(map(len, lines)) <= 80
    assert len({len(line) for line in lines[-3:]}) == 1


def difference(model, minus, low, high):
    level = {"f1": (low + high) / 2, "f1_interval": [low, high]}
    return {"model": model, "minus": minus, "frames": level, "videos": {}}


@pytest.mark.parametrize(
    ("low", "high", "result"),
    [(-0.03, 0.006, "no significant difference"), (-0.2, -0.1, "b is better"), (0.1, 0.2, "a is better")],
)
def test_the_better_model_of_a_pair_is_named(low, high, result):
    both = {"a": MODEL, "b": MODEL}
    lines = summary_lines(metrics(models=both) | {"differences": [difference("a", "b", low, high)]})
    assert lines[-2] == "a - b, with 95 % intervals:"
    assert lines[-1].startswith("  F1, frames ")
    assert lines[-1].endswith(f"{low:+.3f} to {high:+.3f}  {result}")


def test_differences_of_long_names_fit_80_columns():
    names = ("x" * 90, "y" * 90)
    lines = summary_lines(metrics() | {"differences": [difference(*names, -0.2, -0.1)]})
    assert max(map(len, lines)) == 80


@pytest.mark.parametrize(("key", "said"), [({}, "F1 on the test split"), ({"chosen_by": "votes"}, "votes")])
def test_a_comparison_ends_with_the_reason_of_its_choice(key, said):
    comparison = {"models": {"m": {**MODEL, "test_unseen_videos": None}}, "best": "m", **key}
    assert comparison_lines(comparison)[-1] == f"best by {said}: m"
