"""Measurements become a table and one JSON object."""

import json

import pytest

from flipbatch.benchmark.figures import Figures

PAIRS = [("whole", "limit"), ("whole", "never_measured")]


@pytest.fixture
def figures():
    figures = Figures({"cpu": "a CPU", "cores": 2}, parity={"f1_change": None})
    for rate in (30.0, 10.0, 20.0):
        figures.add("whole", rate)
    figures.add("limit", 40.0)
    return figures


def test_a_rate_has_median_and_spread(figures):
    assert json.loads(figures.to_json(PAIRS))["rates"]["whole"] == {"median": 20.0, "min": 10.0, "max": 30.0}


def test_ratios_divide_medians_of_measured_rates(figures):
    assert json.loads(figures.to_json(PAIRS))["ratios"] == {"whole/limit": 0.5}


def test_the_object_is_one_line_with_the_documented_keys(figures):
    line = figures.to_json(PAIRS)
    assert "\n" not in line
    assert json.loads(line).keys() == {"machine", "rates", "ratios", "seconds", "memory_mb", "parity"}


def test_the_object_contains_figures_at_scale_if_measured(figures):
    figures.scale["rate_at_1000"] = 123.456
    assert json.loads(figures.to_json(PAIRS))["scale"] == {"rate_at_1000": 123.5}


def test_the_table_has_at_most_80_columns_and_all_names(figures):
    table = figures.table(PAIRS)
    assert max(map(len, table.splitlines())) <= 80
    assert all(word in table for word in ("a CPU", "whole/limit", "f1_change", "20.0"))
