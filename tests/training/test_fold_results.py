"""The results of cross-validation."""

import json

import pytest

from flipbatch.evaluation.tally import ModelTally
from flipbatch.report.terminal import folds_lines
from flipbatch.training.fold_results import summarise_folds
from flipbatch.training.folds import FoldPlan, split_folds
from tests.training.manifests import books
from tests.training.tallies import tally_of

PLAN = FoldPlan(2)
SPLITS = split_folds(books(4), PLAN, 0)


def summary(*folds):
    return summarise_folds(PLAN, SPLITS, folds)


def fold(first, **right):
    return {name: tally_of(share, first=first) for name, share in right.items()}


BOTH = summary(
    fold(0, cnn_model=0.6, mobilenet_v2=0.9),
    fold(12, cnn_model=0.8, mobilenet_v2=0.9),
)


def test_each_fold_says_what_it_held_out():
    first, second = BOTH["folds"]
    assert (first["fold"], first["frames"], first["groups"]) == (1, 24, 2)
    assert sorted(first["held_out"] + second["held_out"]) == ["book 0", "book 1", "book 2", "book 3"]
    assert first["models"]["cnn_model"]["frames"]["f1"] == pytest.approx(0.6)


def test_mean_and_spread_are_over_folds():
    over = BOTH["models"]["cnn_model"]["f1"]
    assert over == {"mean": pytest.approx(0.7), "spread": pytest.approx(0.02**0.5), "defined_for": 2}


def test_pooled_tallies_add_with_an_interval_by_groups():
    pooled = BOTH["models"]["cnn_model"]["pooled"]["frames"]
    together = tally_of(0.6) + tally_of(0.8, first=12)
    assert pooled == together.to_json()["frames"]
    low, high = pooled["balanced_accuracy_interval"]
    assert low < pooled["balanced_accuracy"] < high


def test_models_are_compared_pooled():
    (one,) = BOTH["differences"]
    assert (one["model"], one["minus"]) == ("cnn_model", "mobilenet_v2")
    assert one["frames"]["f1"] == pytest.approx(-0.2)
    assert one["frames"]["f1_interval"][1] < 0


def test_a_fold_of_one_class_is_null_where_undefined_and_not_in_the_mean():
    one_class = {"cnn_model": ModelTally.of(["g"], [[0, 0, 0, 4]], [[0, 0, 0, 1]])}
    found = summary(one_class, fold(1, cnn_model=0.8))
    assert found["folds"][0]["models"]["cnn_model"]["frames"]["f1"] is None
    assert found["models"]["cnn_model"]["balanced_accuracy"] == {
        "mean": pytest.approx(0.8),
        "spread": None,
        "defined_for": 1,
    }


def test_it_is_json():
    assert json.loads(json.dumps(BOTH, allow_nan=False)) == BOTH


def test_lines_fit_a_terminal_and_show_every_number():
    lines = folds_lines(BOTH)
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["1", "cnn_model", "24", "2", "0.600", "0.600"]
    last_table = lines[lines.index("") :]
    f1, balanced = (line.split() for line in last_table if line.startswith("cnn_model  "))
    assert f1[1:5] == ["F1", "0.700", "0.141", "0.700"]
    assert balanced[1] == "balanced"
    assert lines[-1].endswith(" is better")


def test_long_names_fit_a_terminal():
    name = "a_model_with_a_very_long_name_indeed"
    lines = folds_lines(summary(fold(0, **{name: 0.5}), fold(12, **{name: 0.5})))
    assert max(map(len, lines)) <= 80


def test_an_undefined_value_is_a_dash():
    none = {"cnn_model": ModelTally()}
    assert folds_lines(summary(none, none))[1].split() == ["1", "cnn_model", "24", "2", "-", "-"]
