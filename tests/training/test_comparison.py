"""Models side by side: validation chooses, the test split measures."""

import json

import pytest

from flipbatch.report.terminal import comparison_lines
from flipbatch.training.comparison import compare
from tests.training.tallies import tally_of

NULLS = {
    "frames": {"f1": None, "balanced_accuracy": None, "f1_interval": None},
    "videos": {"f1": None},
    "per_video": {"mean_f1": None, "defined_for": None},
}


def metrics(f1):
    return {
        "frames": {"f1": f1, "balanced_accuracy": 0.5, "f1_interval": (0.1, 0.9)},
        "videos": {"f1": 0.25},
        "per_video": {"mean_f1": 0.5, "defined_for": 3},
    }


def record(validation: float | None = 0.9, loss: float | None = 0.5, test=None, unseen=None):
    """Return a bundle's record; the second of three epochs was the best."""
    return {
        "metrics": {
            "validation": metrics(validation),
            "test": test,
            "test_unseen_videos": unseen,
            "test_unseen_groups": unseen,
        },
        "training": {"best_epoch": 1},
        "history": [{"val": {"loss": one}} for one in (9.0, loss, 0.0)],
    }


def compared(right=0.8, **records):
    return compare(records, {name: tally_of(right) for name in records})


# ------------------------------------------------------------------------------ the best


def test_the_largest_f1_on_validation_is_best_whatever_the_test_split_says():
    good_on_test = record(validation=0.7, test=metrics(0.99))
    comparison = compared(cnn_model=good_on_test, mobilenet_v2=record(validation=0.8, test=metrics(0.5)))
    assert comparison["best"] == "mobilenet_v2"
    assert comparison["chosen_by"] == "F1 on the validation split"


def test_of_equals_the_one_with_the_lower_validation_loss_is_best():
    assert compared(a=record(loss=0.5), b=record(loss=0.4))["best"] == "b"


def test_the_loss_is_that_of_the_best_epoch():
    worse = record(loss=0.5)
    worse["history"][2]["val"]["loss"] = -1.0
    assert compared(a=worse, b=record(loss=0.4))["best"] == "b"


def test_of_full_equals_the_first_is_best():
    assert compared(b=record(), a=record())["best"] == "b"


def test_undefined_values_are_the_worst():
    assert compared(a=record(validation=None), b=record(validation=0.0))["best"] == "b"
    assert compared(a=record(loss=None), b=record(loss=7.0))["best"] == "b"


# ------------------------------------------------------------------------------ the numbers


def test_each_model_keeps_its_metrics():
    entry = compared(m=record(0.99, test=metrics(0.7), unseen=metrics(0.4)))["models"]["m"]
    assert {key: entry[key] for key in ("frames", "videos", "per_video")} == metrics(0.7)
    assert entry["validation"]["frames"]["f1"] == 0.99
    assert entry["test_unseen_videos"]["frames"]["f1"] == 0.4
    assert entry["test_unseen_groups"]["frames"]["f1"] == 0.4


def test_without_a_test_split_its_metrics_are_null():
    entry = compared(m=record())["models"]["m"]
    assert (entry["frames"], entry["videos"], entry["per_video"]) == (None, None, None)


def test_the_best_is_compared_with_each_other_model():
    records = {"a": record(0.7), "b": record(0.9), "c": record(0.8)}
    tallies = {"a": tally_of(0.5), "b": tally_of(0.9), "c": tally_of(0.9)}
    differences = compare(records, tallies)["differences"]
    assert [(one["model"], one["minus"]) for one in differences] == [("b", "a"), ("b", "c")]
    worse, equal = (one["frames"] for one in differences)
    assert worse["f1"] == pytest.approx(0.4)
    assert worse["balanced_accuracy_interval"][0] > 0
    assert equal["f1"] == 0
    assert equal["f1_interval"] == [0, 0]


def test_it_is_json():
    comparison = compared(m=record(test=metrics(0.7)), n=record())
    assert json.loads(json.dumps(comparison, allow_nan=False))["best"] == "m"


# ------------------------------------------------------------------------------ the terminal


@pytest.mark.parametrize("test", [metrics(0.7), metrics(1.0), NULLS, None])
@pytest.mark.parametrize("unseen", [metrics(0.4), NULLS, None])
def test_lines_fit_a_terminal(test, unseen):
    both = {name: record(test=test, unseen=unseen) for name in ("cnn_model", "mobilenet_v2")}
    lines = comparison_lines(compared(0.8, **both))
    assert len(lines) == 9
    assert max(len(line) for line in lines) <= 80


def test_lines_show_the_numbers_in_their_columns():
    lines = comparison_lines(compared(cnn_model=record(test=metrics(0.7), unseen=metrics(0.4))))
    _, header, row, last = lines
    assert row.split() == ["cnn_model", "-", "0.500", "0.700", "0.100", "to", "0.900", "0.400"]
    assert [header.index("F1") + 2, len(header)] == [row.index("0.700") + 5, len(row)]
    assert last == "best by F1 on the validation split: cnn_model"


def test_an_undefined_value_is_a_dash():
    _, _, row, _ = comparison_lines(compared(cnn_model=record(test=NULLS)))
    assert row.split() == ["cnn_model", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("other", "said"), [(0.8, "no significant difference"), (0.3, "cnn_model is better")]
)
def test_whether_a_difference_is_to_be_seen_is_said(other, said):
    tallies = {"cnn_model": tally_of(0.8), "mobilenet_v2": tally_of(other)}
    lines = comparison_lines(compare({name: record() for name in tallies}, tallies))
    assert "cnn_model - mobilenet_v2, with 95 % intervals:" in lines
    (f1,) = [line for line in lines if line.startswith("  F1, frames")]
    assert f1.endswith(f"  {said}")
