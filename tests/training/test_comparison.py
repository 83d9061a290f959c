"""Models side by side."""

import json

import pytest

from flipbatch.report.terminal import comparison_lines
from flipbatch.training.comparison import compare

NULLS = {"frames": {"f1": None, "balanced_accuracy": None, "f1_interval": None}, "videos": {"f1": None}}


def metrics(f1):
    return {
        "frames": {"f1": f1, "balanced_accuracy": 0.5, "f1_interval": (0.1, 0.9)},
        "videos": {"f1": 0.25},
        "per_video": {"mean_f1": 0.5, "defined_for": 3},
    }


def record(test, unseen=None):
    return {"metrics": {"validation": metrics(0.99), "test": test, "test_unseen_videos": unseen}}


def best(**models):
    return compare({name: record(test) for name, test in models.items()})["best"]


def test_the_largest_f1_on_the_test_split_is_best():
    assert best(cnn_model=metrics(0.7), mobilenet_v2=metrics(0.8)) == "mobilenet_v2"
    assert best(cnn_model=metrics(0.9), mobilenet_v2=metrics(0.8)) == "cnn_model"


def test_of_equals_the_first_is_best():
    assert best(b=metrics(0.7), a=metrics(0.7)) == "b"


@pytest.mark.parametrize("nothing", [None, {**NULLS, "per_video": None}, {"frames": None, "videos": None}])
def test_a_model_without_f1_is_never_better_than_one_with(nothing):
    assert best(cnn_model=nothing, mobilenet_v2=metrics(0.0)) == "mobilenet_v2"
    assert best(cnn_model=nothing) == "cnn_model"


def test_each_model_keeps_its_metrics():
    entry = compare({"m": record(metrics(0.7), metrics(0.4))})["models"]["m"]
    assert {key: entry[key] for key in ("frames", "videos", "per_video")} == metrics(0.7)
    assert entry["validation"]["frames"]["f1"] == 0.99
    assert entry["test_unseen_videos"]["frames"]["f1"] == 0.4


def test_without_a_test_split_its_metrics_are_null():
    entry = compare({"m": record(None)})["models"]["m"]
    assert (entry["frames"], entry["videos"], entry["per_video"]) == (None, None, None)


def test_it_is_json():
    comparison = compare({"m": record(metrics(0.7)), "n": record(None)})
    assert json.loads(json.dumps(comparison, allow_nan=False))["best"] == "m"


@pytest.mark.parametrize("test", [metrics(0.7), metrics(1.0), NULLS, None])
@pytest.mark.parametrize("unseen", [metrics(0.4), NULLS, None])
def test_lines_fit_a_terminal(test, unseen):
    lines = comparison_lines(compare({name: record(test, unseen) for name in ("cnn_model", "mobilenet_v2")}))
    assert len(lines) == 4
    assert max(len(line) for line in lines) <= 80


def test_lines_show_the_numbers_in_their_columns():
    header, row, last = comparison_lines(compare({"cnn_model": record(metrics(0.7), metrics(0.4))}))
    assert row.split() == ["cnn_model", "0.700", "0.100", "to", "0.900", "0.500", "0.250", "0.400"]
    assert [header.index("F1") + 2, len(header)] == [row.index("0.700") + 5, len(row)]
    assert last == "best by F1 on the test split: cnn_model"


def test_what_is_undefined_is_a_dash():
    _, row, _ = comparison_lines(compare({"cnn_model": record(NULLS)}))
    assert row.split() == ["cnn_model", "-", "-", "-", "-", "-"]
