"""Facts about `flipbatch.scoring.merge` and `flipbatch.scoring.committed_shards`."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.schema import EVENTS, FRAME_FACTS, PREDICTIONS, STILLS, VIDEOS
from flipbatch.scoring import merge, shards
from flipbatch.scoring.committed_shards import failed_frames
from flipbatch.storage.parquet import write_table
from tests.scoring.committed_runs import MODELS, TWO_VIDEOS, Videos, finished, scored, table_of, totals_of

labels = st.sampled_from(["flip", "notflip", None])
probabilities = st.none() | st.floats(0, 1, width=32)
videos = st.lists(st.tuples(labels, st.lists(probabilities, min_size=1, max_size=9)), min_size=1, max_size=6)


@pytest.fixture
def run(tmp_path):
    return scored(tmp_path, TWO_VIDEOS)


# ---------------------------------------------------------------------------------------- predictions


def test_predictions_have_their_schema_and_every_frame_once(run):
    totals_of(run)
    for name in MODELS:
        table = table_of(run, "predictions", f"model={name}")
        assert table.schema.names == PREDICTIONS.names
        assert table.schema.types == PREDICTIONS.types
        assert table["uri"].to_pylist() == [f"/f/v0_{i}.jpg" for i in range(3)] + [
            "/f/v1_0.jpg",
            "/f/v1_1.jpg",
        ]


def test_a_frame_is_decided_at_its_models_threshold(run):
    totals_of(run)
    decided = {
        name: table_of(run, "predictions", f"model={name}")["prediction"].to_pylist() for name in MODELS
    }
    assert decided == {
        "cnn_model": ["flip", "flip", None, "notflip", "flip"],
        "mobilenet_v2": ["flip", "flip", None, "flip", "flip"],
    }


def test_a_frame_that_failed_has_no_probability_and_no_prediction(run):
    totals_of(run)
    row = table_of(run, "predictions", "model=cnn_model").to_pylist()[2]
    assert (row["status"], row["error"]) == ("corrupt", "cut off")
    assert (row["flip_probability"], row["prediction"]) == (None, None)


def test_every_file_carries_the_fingerprints_of_run_and_bundle(run):
    totals_of(run)
    for name in MODELS:
        metadata = pq.read_schema(
            run.directory.path("predictions", f"model={name}", "part-00000.parquet")
        ).metadata
        assert metadata[b"flipbatch.run"].decode() == run.run_fingerprint
        assert metadata[f"flipbatch.bundle.{name}".encode()].decode() == f"bundle of {name}"
        assert metadata[b"flipbatch.schema_version"] == b"2"
        assert sum(key.startswith(b"flipbatch.bundle.") for key in metadata) == 1
    for folder in ("videos", "events", "stills"):
        metadata = pq.read_schema(run.directory.path(folder, "part-00000.parquet")).metadata
        assert sum(key.startswith(b"flipbatch.bundle.") for key in metadata) == 2


# ---------------------------------------------------------------------------------------- videos


def test_every_video_is_a_row_for_each_model(run):
    totals_of(run)
    table = table_of(run, "videos")
    assert table.schema.names == VIDEOS.names
    assert table.schema.types == VIDEOS.types
    assert Counter(zip(table["model"].to_pylist(), table["video_id"].to_pylist(), strict=True)) == {
        (name, video): 1 for name in MODELS for video in ("v0", "v1")
    }


def test_a_video_of_notflip_that_is_called_so_has_no_f1(tmp_path):
    run = scored(tmp_path, [("notflip", [0.1, 0.2])])
    totals_of(run)
    (row, _) = table_of(run, "videos").to_pylist()
    assert (row["f1"], row["precision"], row["recall"], row["tn"]) == (None, None, None, 2)


# ---------------------------------------------------------------------------------------- page turns

TURN_AND_CLIP: Videos = [(None, [0.1] * 40 + [0.9] * 20 + [0.1] * 40), (None, [0.9])]


def test_page_turns_and_stills_have_their_schemas_for_each_model(tmp_path):
    run = scored(tmp_path, TURN_AND_CLIP)
    totals_of(run)
    for folder, schema, rows in (("events", EVENTS, 1), ("stills", STILLS, 2)):
        table = table_of(run, folder)
        assert table.schema.equals(schema, check_metadata=False)
        assert Counter(table["model"].to_pylist()) == dict.fromkeys(MODELS, rows)
        assert set(table["video_id"].to_pylist()) == {"v0"}


def test_a_turn_is_between_two_stills(tmp_path):
    run = scored(tmp_path, TURN_AND_CLIP, {"cnn_model": 0.5})
    totals_of(run)
    (turn,), (before, after) = (table_of(run, name).to_pylist() for name in ("events", "stills"))
    assert (turn["first_frame"], turn["last_frame"], turn["first_seconds"]) == (40, 59, None)
    assert (before["first_frame"], before["last_frame"]) == (0, 39)
    assert (after["first_frame"], after["last_frame"]) == (60, 99)


def test_shards_of_an_older_version_give_stills_without_sharpness(tmp_path):
    run = scored(tmp_path, TURN_AND_CLIP)
    for shard in range(run.plan.shards):
        rows = pq.read_table(run.shard_path(shard))
        pq.write_table(rows.drop_columns(FRAME_FACTS.names), run.shard_path(shard))
    totals_of(run)
    assert table_of(run, "events").num_rows == 2
    assert table_of(run, "stills")["sharpness"].null_count == 4
    assert table_of(run, "stills")["uri"].null_count == 0


# ---------------------------------------------------------------------------------------- cuts


ORDER = [(column, "ascending") for column in ("model", "video_id", "first_frame")]


def outcome(videos, per_shard, per_group, per_part):
    """Return all results of a run whose manifest is cut into such shards, groups and parts."""
    folder = tempfile.mkdtemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "MOST_FRAMES_PER_SHARD", per_shard)
        patch.setattr(shards, "LEAST_FRAMES_PER_SHARD", per_shard)
        patch.setattr(shards, "ROWS_PER_GROUP", per_group)
        patch.setattr(shards, "ROWS_PER_PART", per_part)
        patch.setattr(merge, "ROWS_PER_GROUP", per_group)
        run = scored(folder, videos)
        totals, metrics = totals_of(run), finished(run)
    predictions = [table_of(run, "predictions", f"model={name}").to_pylist() for name in MODELS]
    of_videos = (
        table_of(run, "videos").sort_by([("model", "ascending"), ("video_id", "ascending")]).to_pylist()
    )
    turns = [table_of(run, name).sort_by(ORDER).to_pylist() for name in ("events", "stills")]
    shutil.rmtree(folder)
    figures = totals.video_figures, totals.errors, totals.engines
    return metrics, predictions, of_videos, turns, figures, str(totals.histograms)


@given(videos, st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=10, deadline=None)
def test_results_do_not_depend_on_how_the_manifest_was_cut(videos, per_shard, per_group, per_part):
    assert outcome(videos, per_shard, per_group, per_part) == outcome(videos, 256, 16_384, 4_194_304)


# ---------------------------------------------------------------------------------------- damage


def test_a_shard_that_is_missing_at_the_merge_says_what_to_do(run):
    Path(run.shard_path(0)).unlink()
    with pytest.raises(OutputError) as refused:
        totals_of(run)
    assert str(refused.value) == (
        f"The committed shard {run.shard_path(0)} can't be read (there is no such file, directory or "
        "bucket): run the command again."
    )


def test_a_shard_that_is_damaged_says_what_to_do(run):
    storage.write(run.shard_path(0), b"PAR1 and no more")
    with pytest.raises(OutputError, match=r"shards/000000000\.parquet is damaged: delete it and run"):
        totals_of(run)


def test_rows_that_do_not_add_up_are_refused(run):
    shard = pq.read_table(run.shard_path(0))
    write_table(shard.slice(1), run.shard_path(0))
    with pytest.raises(OutputError, match="does not hold each frame of the manifest once"):
        totals_of(run)


# ---------------------------------------------------------------------------------------- readers


def test_pandas_and_duckdb_read_predictions_and_know_the_model(run):
    totals_of(run)
    folder = run.directory.path("predictions")
    frames = pd.read_parquet(folder)
    assert frames.groupby("model", observed=True).size().to_dict() == {"cnn_model": 5, "mobilenet_v2": 5}
    files = f"{folder}/*/*.parquet"
    found = duckdb.execute(f"SELECT model, count(*) FROM '{files}' GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("cnn_model", 5), ("mobilenet_v2", 5)]


# ---------------------------------------------------------------------------------------- retries


def with_status(run, *statuses):
    """Write a run's only shard again, with other statuses."""
    table = pq.read_table(run.shard_path(0))
    index = table.schema.get_field_index("status")
    write_table(table.set_column(index, "status", [list(statuses)]), run.shard_path(0), run.metadata())


def test_failed_frames_are_those_whose_storage_failed(run):
    assert failed_frames(run, 0) == {}
    with_status(run, "ok", "missing", "corrupt", "unreadable", "ok")
    assert failed_frames(run, 0) == {0: 2}


def test_a_shard_that_is_not_committed_has_no_failed_frames(run):
    Path(run.shard_path(0)).unlink()
    assert failed_frames(run, 0) == {}


def test_a_damaged_shard_of_a_retry_says_what_to_do(run):
    storage.write(run.shard_path(0), b"PAR1 and no more")
    with pytest.raises(OutputError, match=r"shards/000000000\.parquet is damaged: delete it and run"):
        failed_frames(run, 0)
