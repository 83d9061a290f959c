"""The training report: curves, measures, mistakes, and warnings before all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flipbatch.report.training_contents import TrainingReport, gather_training
from flipbatch.report.training_page import render_training, write_training_report
from flipbatch.report.training_warnings import training_warnings
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import PREDICTIONS
from flipbatch.training.fit import Settings
from flipbatch.training.job import train
from tests.training.runs import options


@pytest.fixture(scope="module")
def trained(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "out"
    train(options(labelled_frames, out, settings=Settings(epochs=2)), write_report=write_training_report)
    return out


@pytest.fixture(scope="module")
def report(trained: Path) -> TrainingReport:
    comparison = json.loads((trained / "comparison.json").read_text())
    return gather_training(RunDirectory.at(str(trained)), comparison)


def with_card(report: TrainingReport, **changes: Any) -> TrainingReport:
    card = report.model_cards["cnn_model"]
    return replace(report, model_cards={"cnn_model": {**card, **changes}})


def with_data(report: TrainingReport, **changes: Any) -> TrainingReport:
    return with_card(report, data=report.model_cards["cnn_model"]["data"] | changes)


def test_training_writes_a_report_with_four_curves_of_each_model(trained: Path) -> None:
    page = (trained / "report.html").read_text()
    assert page.count('class="curve"') == 4
    assert "on validation in epoch" in page
    assert "at the threshold" in page


def test_confusion_matrices_are_those_of_the_comparison(report: TrainingReport) -> None:
    page, frames = render_training(report), report.comparison["models"]["cnn_model"]["frames"]
    assert f"<b>{frames['tp']}</b> " in page
    assert page.count('<table class="matrix">') == 2


def test_the_worst_mistakes_are_shown_with_their_frames(report: TrainingReport) -> None:
    rows = report.test_frames["cnn_model"].to_pylist()
    wrong = [{**row, "prediction": "flip" if row["label"] == "notflip" else "notflip"} for row in rows]
    frames = pa.Table.from_pylist(wrong, schema=PREDICTIONS)
    page = render_training(replace(report, test_frames={"cnn_model": frames}), number_of_thumbnails=4)
    assert page.count("data:image/jpeg") == 4
    assert page.index("Missed flips") < page.index("False flips")


def test_without_thumbnails_no_frame_is_read(report: TrainingReport) -> None:
    assert "data:image/jpeg" not in render_training(report, number_of_thumbnails=0)


def test_a_run_of_an_older_version_has_a_page_without_its_test_frames(report: TrainingReport) -> None:
    page = render_training(replace(report, test_frames={}))
    assert page.count('class="curve"') == 3
    assert "at every threshold" not in page


def test_the_same_run_gives_the_same_bytes(report: TrainingReport) -> None:
    assert render_training(report, 4) == render_training(report, 4)


def test_warnings_of_the_run_come_before_all_measures(report: TrainingReport) -> None:
    leak = "4 of 8 test frames <are> in training, too."
    page = render_training(with_data(report, warnings=[leak]))
    assert page.index("4 of 8 test frames &lt;are&gt;") < page.index("<h2>The model</h2>")


def test_unequal_classes_are_a_warning(report: TrainingReport) -> None:
    unequal = with_data(report, frames={"train": 100, "val": 9, "test": 9}, flips={"train": 9})
    assert any("9% of the training frames are flips" in one for one in training_warnings(unequal))


def test_few_groups_are_a_warning(report: TrainingReport) -> None:
    sentences = list(training_warnings(with_data(report, groups={"train": 9, "val": 6, "test": 1})))
    assert [one for one in sentences if "split has only 1 group of videos" in one]
    assert not [one for one in sentences if "validation split" in one]


def test_a_model_card_without_these_counts_has_no_warning_about_them(report: TrainingReport) -> None:
    assert not [one for one in training_warnings(with_card(report, data={})) if "only" in one]
