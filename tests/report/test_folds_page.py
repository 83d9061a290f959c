"""The report of a cross-validation: pooled measures, each fold, mistakes of all folds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flipbatch.report.training_page import write_training_report
from flipbatch.report.values import number
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.job import train
from tests.training.runs import options


@pytest.fixture(scope="module")
def validated(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("validated") / "out"
    wanted = options(labelled_frames, out, settings=Settings(epochs=1), folds=FoldPlan(4))
    train(wanted, write_report=write_training_report)
    return out


def page_of(out: Path, thumbnails: int = 0) -> str:
    folds = json.loads((out / "folds.json").read_text())
    write_training_report(RunDirectory.at(str(out)), folds, thumbnails)
    return (out / "report.html").read_text()


def test_a_cross_validation_writes_a_report(validated: Path) -> None:
    page = (validated / "report.html").read_text()
    assert "The groups are divided into 4 folds" in page
    assert "has frames under both labels" in page


def test_measures_are_those_of_all_folds_pooled(validated: Path) -> None:
    folds, page = json.loads((validated / "folds.json").read_text()), page_of(validated)
    pooled = folds["models"]["cnn_model"]["pooled"]["frames"]
    assert f"<b>{number(pooled['f1'])}</b>" in page
    assert f"<b>{pooled['tp']}</b> " in page
    assert sum(pooled[count] for count in ("tp", "fp", "fn", "tn")) == 64


def test_each_fold_names_the_groups_that_it_holds_out(validated: Path) -> None:
    page = page_of(validated)
    for fold in json.loads((validated / "folds.json").read_text())["folds"]:
        assert ", ".join(fold["held_out"]) in page


def test_many_groups_of_a_fold_are_counted(validated: Path, tmp_path: Path) -> None:
    out = shutil.copytree(validated, tmp_path / "out")
    folds = json.loads((out / "folds.json").read_text())
    folds["folds"][0]["held_out"] = ["a", "<b>", "c", "d", "e"]
    (out / "folds.json").write_text(json.dumps(folds))
    assert "a, &lt;b&gt;, c and 2 other groups" in page_of(out)


def test_mistakes_of_all_folds_are_shown(validated: Path) -> None:
    tables = [pq.read_table(file).to_pylist() for file in validated.glob("folds/*/test_frames/*.parquet")]
    wrong = [row for rows in tables for row in rows if row["label"] != row["prediction"]]
    assert len(tables) == 4
    assert page_of(validated, 100).count("data:image/jpeg") == len(wrong) > 0


def test_a_run_of_an_older_version_has_a_page_without_mistakes(validated: Path, tmp_path: Path) -> None:
    out = shutil.copytree(validated, tmp_path / "out")
    for folder in out.glob("folds/*/test_frames"):
        shutil.rmtree(folder)
    assert "data:image/jpeg" not in page_of(out, 100)


def test_the_same_run_gives_the_same_bytes(validated: Path) -> None:
    assert page_of(validated, 4) == page_of(validated, 4)
