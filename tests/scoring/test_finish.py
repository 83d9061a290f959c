"""Facts about `flipbatch.scoring.finish`."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.scoring.attempts import ATTEMPTS_FOLDER, start_attempt
from flipbatch.scoring.finish import finish_run
from flipbatch.scoring.totals import PartTotals
from tests.scoring.committed_runs import TWO_VIDEOS, commit, finished, frames_of, scored


@pytest.fixture
def run(tmp_path):
    return scored(tmp_path, TWO_VIDEOS)


def test_metrics_count_frames_by_status(tmp_path):
    metrics = finished(scored(tmp_path, TWO_VIDEOS, misnamed=["/f/x.txt", "/f/y.txt"]))
    assert metrics["frames"] == {
        "total": 5,
        "scored": 4,
        "labelled": 5,
        "misnamed": 2,
        "errors": {"missing": 0, "unreadable": 0, "corrupt": 1, "too_large": 0, "unsupported": 0},
    }
    assert metrics["videos"] == 2
    assert metrics["note"] is None


def test_metrics_name_the_first_files_that_are_not_frames(tmp_path):
    uris = ["ftp://me:pass@h/a.txt", *(f"/f/{name}.txt" for name in "bcd")]
    named = finished(scored(tmp_path, TWO_VIDEOS, misnamed=uris))["misnamed_examples"]
    assert named == ["/f/b.txt", "/f/c.txt", "/f/d.txt"]
    assert finished(scored(tmp_path / "two", TWO_VIDEOS, misnamed=uris[:1]))["misnamed_examples"] == [
        "ftp://***@h/a.txt"
    ]


def test_metrics_of_a_model_are_those_of_its_decisions(run):
    metrics = finished(run)["models"]["cnn_model"]
    assert metrics["threshold"] == 0.5
    counts = {name: metrics["frames"][name] for name in ("tp", "fp", "fn", "tn")}
    assert counts == {"tp": 2, "fp": 1, "fn": 0, "tn": 1}
    assert metrics["frames"]["f1"] == pytest.approx(4 / 5)
    assert metrics["videos"]["accuracy"] == 1
    assert metrics["per_video"]["defined_for"] == 2


def test_without_labels_of_both_kinds_in_a_video_there_is_no_metric_of_turns(run):
    metrics = finished(run)["models"]["cnn_model"]
    assert metrics["events"] is None
    assert set(metrics["frames_smoothed"]) == set(metrics["frames"]) - {
        "f1_interval",
        "balanced_accuracy_interval",
    }


def test_metrics_count_the_rows_of_page_turns_and_stills(run):
    models = finished(run)["models"].values()
    for name, folder in (("page_turns", "events"), ("stills", "stills")):
        (part,) = Path(run.directory.path(folder)).glob("*.parquet")
        assert sum(model[name] for model in models) == pq.read_metadata(part).num_rows > 0


def test_metrics_are_returned_as_they_are_written(run):
    assert finished(run) == run.directory.read_json("metrics.json")


def test_without_labels_metrics_are_null_and_say_so(tmp_path):
    metrics = finished(scored(tmp_path, [(None, [0.75, 0.25]), (None, [None])]))
    model = metrics["models"]["cnn_model"]
    assert metrics["note"] == "No frame has a label: precision, recall and F1 can't be measured."
    assert set(model["frames"].values()) == set(model["videos"].values()) == {None}
    assert model["per_video"] == {"mean_f1": None, "defined_for": None}
    assert (model["events"], model["frames_smoothed"]) == (None, None)
    assert metrics["frames"]["scored"] == 2


def test_a_run_is_finished_last(run, monkeypatch):
    written = []
    write = storage.write
    monkeypatch.setattr(storage, "write", lambda uri, data: (written.append(uri), write(uri, data)))
    finished(run)
    assert [uri.rpartition("/")[2] for uri in written[-2:]] == ["report.html", "_SUCCESS"]
    assert run.directory.is_finished


def test_attempt_markers_are_deleted_when_a_run_is_finished(run):
    start_attempt(run, [0], "1" * 32)
    finished(run)
    assert ATTEMPTS_FOLDER not in storage.names_in(run.directory.uri)


def test_markers_that_can_not_be_deleted_do_no_harm(run, monkeypatch):
    def refuse(uri):
        raise StorageError(f"Can't remove {uri}.")

    monkeypatch.setattr(storage, "remove_folder", refuse)
    finished(run)
    assert run.directory.is_finished


def test_finishing_twice_gives_the_same_bytes(run):
    def files():
        root = Path(run.directory.uri)
        return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    finished(run)
    first = files()
    finished(run)
    assert files() == first


def test_a_run_that_lacks_frames_is_refused(run):
    with pytest.raises(OutputError, match="predictions have 0 frames in 0 videos, the manifest has 5 in 2"):
        finish_run(run, PartTotals(), lambda run, metrics, totals: None)
    assert not run.directory.is_finished


def test_metrics_have_the_schema_version(run):
    assert finished(run)["schema_version"] == 2


def test_metrics_name_the_engines_of_all_shards(run):
    assert finished(run)["engines"] == [{"engine": "tests"}]
    commit(run, frames_of(TWO_VIDEOS)[1], engine='{"engine": "other"}')
    assert finished(run)["engines"] == [{"engine": "other"}]


def test_metrics_have_the_difference_of_each_pair_of_models(run):
    (difference,) = finished(run)["differences"]
    assert (difference["model"], difference["minus"]) == ("cnn_model", "mobilenet_v2")
    assert difference["frames"]["f1"] == pytest.approx(4 / 5 - 2 / 3)
    assert set(difference) == {"model", "minus", "frames", "videos"}


def test_one_model_has_no_differences(tmp_path):
    assert finished(scored(tmp_path, TWO_VIDEOS, {"cnn_model": 0.5}))["differences"] == []


def test_without_labels_differences_are_null(tmp_path):
    (difference,) = finished(scored(tmp_path, [(None, [0.75, 0.25])]))["differences"]
    assert set(difference["frames"].values()) == {None}
