"""Cross-validation as a job: each group is held out once, and the folds are summed up."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flipbatch.errors import OutputError
from flipbatch.evaluation.videos import tally
from flipbatch.frames.decode import InputSize
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.job import train
from flipbatch.training.local_trainer import LocalFrames, LocalTrainer
from tests.conftest import write_frames
from tests.training.runs import decided, options, record

TWO = FoldPlan(2)


class CountingTrainer:
    """A local executor that counts how often it decodes."""

    def __init__(self) -> None:
        self.decodes = 0

    def decode(self, rows: pa.Table, size: InputSize) -> LocalFrames:
        self.decodes += 1
        return LocalTrainer.on_this_machine(1, gpu=False).decode(rows, size)


@pytest.fixture(scope="module")
def folds(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("folds") / "out"
    counting = CountingTrainer()
    train(options(labelled_frames, out, settings=Settings(epochs=1), folds=TWO), counting)
    assert counting.decodes == 1
    return out


def result(out: Path) -> dict:
    return json.loads((out / "folds.json").read_text())


def test_each_fold_has_splits_a_bundle_and_test_videos(folds: Path) -> None:
    for fold in ("01", "02"):
        assert (folds / "folds" / fold / "splits.parquet").exists()
        assert record(folds / "folds" / fold)["data"]["groups"]["test"] == 4
        assert not (folds / "folds" / fold / "checkpoints").exists()
    assert (folds / "_SUCCESS").exists()
    assert json.loads((folds / "run.json").read_text())["identity"]["folds"] == "2"


def test_every_frame_is_decided_once_by_a_model_that_did_not_see_its_group(folds: Path) -> None:
    tables = [pq.read_table(file) for file in sorted(folds.glob("folds/*/test_videos/cnn_model.parquet"))]
    videos = pa.concat_tables(tables)
    assert len(videos["video_id"].unique()) == videos.num_rows == 16
    for number, table in enumerate(tables, 1):
        splits = pq.read_table(folds / "folds" / f"{number:02d}" / "splits.parquet").to_pandas()
        assert not set(table["group"].to_pylist()) & set(splits[splits.split != "test"].group)


def test_pooled_numbers_are_those_of_all_held_out_videos_together(folds: Path) -> None:
    files = sorted(folds.glob("folds/*/test_videos/cnn_model.parquet"))
    together = tally(pa.concat_tables([pq.read_table(file) for file in files])).to_json()
    assert result(folds)["models"]["cnn_model"]["pooled"] == together
    assert decided(together["frames"]) == 64


def test_mean_and_spread_are_over_folds(folds: Path) -> None:
    found = result(folds)
    one, two = (fold["models"]["cnn_model"]["frames"]["f1"] for fold in found["folds"])
    over = found["models"]["cnn_model"]["f1"]
    assert over["mean"] == pytest.approx((one + two) / 2)
    assert over["spread"] == pytest.approx(abs(one - two) / 2**0.5)
    assert over["defined_for"] == 2


def test_a_resume_with_other_folds_is_refused(folds: Path, labelled_frames: Path) -> None:
    with pytest.raises(OutputError, match="folds was '2' and is now '3'"):
        train(options(labelled_frames, folds, resume=True, settings=Settings(epochs=1), folds=FoldPlan(3)))


def test_a_finished_cross_validation_is_returned(folds: Path, labelled_frames: Path) -> None:
    wanted = options(labelled_frames, folds, resume=True, settings=Settings(epochs=1), folds=TWO)
    assert train(wanted, CountingTrainer()) == result(folds)


def test_leave_one_out_with_a_group_of_one_class_has_nulls_where_undefined(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=3, frames=2, folders="testing/{label}")
    (tmp_path / "frames" / "testing" / "notflip" / "0002_000000000.jpg").unlink()
    (tmp_path / "frames" / "testing" / "notflip" / "0002_000000001.jpg").unlink()
    wanted = options(frames, tmp_path / "out", settings=Settings(epochs=1), folds=FoldPlan(None))
    found = train(wanted)
    assert found["plan"] == "leave-one-out"
    assert [fold["held_out"] for fold in found["folds"]] == [["0000"], ["0001"], ["0002"]]
    last = found["folds"][2]["models"]["cnn_model"]["frames"]
    assert last["balanced_accuracy"] is None
    assert found["models"]["cnn_model"]["balanced_accuracy"]["defined_for"] == 2
    warnings = json.loads((tmp_path / "out" / "run.json").read_text())["warnings"]
    assert "The supplied splits of 10 frames are ignored" in " ".join(warnings)
