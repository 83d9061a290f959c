"""Facts about `flipbatch.scoring.merge`. Shards are written here, so that no model is needed."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.schema import PREDICTIONS, VIDEOS
from flipbatch.scoring import merge as results
from flipbatch.scoring import shards
from flipbatch.scoring.attempts import ATTEMPTS_FOLDER, start_attempt
from flipbatch.scoring.merge import PartTally, finish_run, merge_part
from flipbatch.scoring.score_shard import SHARD_COLUMNS
from flipbatch.scoring.shards import read_shard
from flipbatch.storage.parquet import write_table
from tests.scoring.conftest import begin, manifest_of

MODELS = {"cnn_model": 0.5, "mobilenet_v2": 0.25}

labels = st.sampled_from(["flip", "notflip", None])
probabilities = st.none() | st.floats(0, 1, width=32)
videos = st.lists(st.tuples(labels, st.lists(probabilities, min_size=1, max_size=9)), min_size=1, max_size=6)


def frames_of(videos):
    """Frames from [(label, [probability or None if it failed])], and each URI's probability."""
    frames, known = [], {}
    for video, (label, values) in enumerate(videos):
        for number, probability in enumerate(values):
            uri = f"/f/v{video}_{number}.jpg"
            frames.append((f"v{video}", number, uri, label))
            known[uri] = probability
    return frames, known


def commit(run, known):
    """Commit every shard of a run; each model says the same."""
    for shard in range(run.plan.shards):
        rows = read_shard(run.manifest, run.plan, shard)
        values = [known[uri] for uri in rows["uri"].to_pylist()]
        columns = {name: rows[name] for name in SHARD_COLUMNS[:4]}
        columns["status"] = pa.array(["ok" if value is not None else "corrupt" for value in values])
        columns["error"] = pa.array(
            [None if value is not None else "cut off" for value in values], pa.string()
        )
        columns["group"] = rows["group"]
        columns |= {name: pa.array(values, pa.float32()) for name in run.models}
        write_table(pa.table(columns), run.shard_path(shard), run.metadata())


def finished(run):
    """Merge all parts and finish; returns the metrics."""
    parts = [merge_part(run, part) for part in range(len(run.plan.first_shards))]
    return finish_run(
        run,
        sum(parts, start=PartTally()),
        lambda run, _: storage.write(run.directory.path("report.html"), b""),
    )


def scored(folder, videos, models=MODELS, misnamed=()):
    frames, known = frames_of(videos)
    run = begin(folder, manifest_of(frames, misnamed), models)
    commit(run, known)
    return run


def table_of(run, *path):
    folder = Path(run.directory.path(*path))
    return pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob("*.parquet")))


TWO_VIDEOS = [("flip", [0.75, 0.5, None]), ("notflip", [0.25, 0.625])]


@pytest.fixture
def run(tmp_path):
    return scored(tmp_path, TWO_VIDEOS)


# ---------------------------------------------------------------------------------------- predictions


def test_predictions_have_their_schema_and_every_frame_once(run):
    finished(run)
    for name in MODELS:
        table = table_of(run, "predictions", f"model={name}")
        assert table.schema.names == PREDICTIONS.names
        assert table.schema.types == PREDICTIONS.types
        assert table["uri"].to_pylist() == [f"/f/v0_{i}.jpg" for i in range(3)] + [
            "/f/v1_0.jpg",
            "/f/v1_1.jpg",
        ]


def test_a_frame_is_decided_at_its_models_threshold(run):
    finished(run)
    decided = {
        name: table_of(run, "predictions", f"model={name}")["prediction"].to_pylist() for name in MODELS
    }
    assert decided == {
        "cnn_model": ["flip", "flip", None, "notflip", "flip"],
        "mobilenet_v2": ["flip", "flip", None, "flip", "flip"],
    }


def test_a_frame_that_failed_has_no_probability_and_no_prediction(run):
    finished(run)
    row = table_of(run, "predictions", "model=cnn_model").to_pylist()[2]
    assert (row["status"], row["error"]) == ("corrupt", "cut off")
    assert (row["flip_probability"], row["prediction"]) == (None, None)


def test_every_file_carries_the_fingerprints_of_run_and_bundle(run):
    finished(run)
    for name in MODELS:
        metadata = pq.read_schema(
            run.directory.path("predictions", f"model={name}", "part-00000.parquet")
        ).metadata
        assert metadata[b"flipbatch.run"].decode() == run.fingerprint
        assert metadata[f"flipbatch.bundle.{name}".encode()].decode() == f"bundle of {name}"
        assert sum(key.startswith(b"flipbatch.bundle.") for key in metadata) == 1
    metadata = pq.read_schema(run.directory.path("videos", "part-00000.parquet")).metadata
    assert sum(key.startswith(b"flipbatch.bundle.") for key in metadata) == 2


# ---------------------------------------------------------------------------------------- videos


def test_every_video_is_a_row_for_each_model(run):
    finished(run)
    table = table_of(run, "videos")
    assert table.schema.names == VIDEOS.names
    assert table.schema.types == VIDEOS.types
    assert Counter(zip(table["model"].to_pylist(), table["video_id"].to_pylist(), strict=True)) == {
        (name, video): 1 for name in MODELS for video in ("v0", "v1")
    }


def test_a_video_of_notflip_that_is_called_so_has_no_f1(tmp_path):
    run = scored(tmp_path, [("notflip", [0.1, 0.2])])
    finished(run)
    (row, _) = table_of(run, "videos").to_pylist()
    assert (row["f1"], row["precision"], row["recall"], row["tn"]) == (None, None, None, 2)


# ---------------------------------------------------------------------------------------- metrics


def test_metrics_count_frames_by_what_became_of_them(tmp_path):
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


def test_metrics_of_a_model_are_those_of_its_decisions(run):
    metrics = finished(run)["models"]["cnn_model"]
    assert metrics["threshold"] == 0.5
    counts = {name: metrics["frames"][name] for name in ("tp", "fp", "fn", "tn")}
    assert counts == {"tp": 2, "fp": 1, "fn": 0, "tn": 1}
    assert metrics["frames"]["f1"] == pytest.approx(4 / 5)
    assert metrics["videos"]["accuracy"] == 1
    assert metrics["per_video"]["defined_for"] == 2


def test_metrics_are_returned_as_they_are_written(run):
    assert finished(run) == run.directory.read_json("metrics.json")


def test_without_labels_metrics_are_null_and_say_so(tmp_path):
    metrics = finished(scored(tmp_path, [(None, [0.75, 0.25]), (None, [None])]))
    model = metrics["models"]["cnn_model"]
    assert metrics["note"] == "No frame has a label: precision, recall and F1 can't be measured."
    assert set(model["frames"].values()) == set(model["videos"].values()) == {None}
    assert model["per_video"] == {"mean_f1": None, "defined_for": None}
    assert metrics["frames"]["scored"] == 2


def test_a_run_is_finished_last(run, monkeypatch):
    written = []
    write = storage.write
    monkeypatch.setattr(storage, "write", lambda uri, data: (written.append(uri), write(uri, data)))
    finished(run)
    assert [uri.rpartition("/")[2] for uri in written[-2:]] == ["report.html", "_SUCCESS"]
    assert run.directory.is_finished


def test_marks_of_tries_go_once_a_run_is_finished(run):
    start_attempt(run, [0], "1" * 32)
    finished(run)
    assert ATTEMPTS_FOLDER not in storage.names_in(run.directory.uri)


def test_marks_that_can_not_be_removed_do_no_harm(run, monkeypatch):
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


# ---------------------------------------------------------------------------------------- however it is cut


def outcome(videos, per_shard, per_group, per_part):
    """All that a run gives, with the manifest cut so, and the number of its shards and parts."""
    folder = tempfile.mkdtemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "MOST_FRAMES_PER_SHARD", per_shard)
        patch.setattr(shards, "LEAST_FRAMES_PER_SHARD", per_shard)
        patch.setattr(shards, "ROWS_PER_GROUP", per_group)
        patch.setattr(shards, "ROWS_PER_PART", per_part)
        patch.setattr(results, "ROWS_PER_GROUP", per_group)
        run = scored(folder, videos)
        metrics = finished(run)
    predictions = [table_of(run, "predictions", f"model={name}").to_pylist() for name in MODELS]
    of_videos = (
        table_of(run, "videos").sort_by([("model", "ascending"), ("video_id", "ascending")]).to_pylist()
    )
    shutil.rmtree(folder)
    return metrics, predictions, of_videos


@given(videos, st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=10, deadline=None)
def test_results_do_not_depend_on_how_the_manifest_was_cut(videos, per_shard, per_group, per_part):
    assert outcome(videos, per_shard, per_group, per_part) == outcome(videos, 256, 16_384, 4_194_304)


def test_tallies_of_no_parts_are_nothing():
    assert PartTally() + PartTally() == PartTally()


# ---------------------------------------------------------------------------------------- damage


def test_a_shard_that_is_missing_at_the_merge_says_what_to_do(run):
    Path(run.shard_path(0)).unlink()
    with pytest.raises(OutputError) as refused:
        finished(run)
    assert str(refused.value) == (
        f"The committed shard {run.shard_path(0)} can't be read (there is no such file, directory or "
        "bucket): run the command again."
    )
    assert not run.directory.is_finished


def test_a_shard_that_is_damaged_says_what_to_do(run):
    storage.write(run.shard_path(0), b"PAR1 and no more")
    with pytest.raises(OutputError, match=r"shards/000000000\.parquet is damaged: delete it and run"):
        finished(run)


def test_rows_that_do_not_add_up_are_refused(run):
    shard = pq.read_table(run.shard_path(0))
    write_table(shard.slice(1), run.shard_path(0))
    with pytest.raises(OutputError, match="does not hold each frame of the manifest once"):
        finished(run)
    assert not run.directory.is_finished


# ---------------------------------------------------------------------------------------- readers


def test_pandas_and_duckdb_read_predictions_and_know_the_model(run):
    finished(run)
    folder = run.directory.path("predictions")
    frames = pd.read_parquet(folder)
    assert frames.groupby("model", observed=True).size().to_dict() == {"cnn_model": 5, "mobilenet_v2": 5}
    files = f"{folder}/*/*.parquet"
    found = duckdb.execute(f"SELECT model, count(*) FROM '{files}' GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("cnn_model", 5), ("mobilenet_v2", 5)]
