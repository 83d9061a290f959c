"""A scoring run on the local executor: good and bad frames, resume, retry, and tables as readers see them."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from functools import partial
from pathlib import Path

import boto3
import duckdb
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import InputError, OutputError, StorageError
from flipbatch.models import cpu_engine
from flipbatch.models.bundle import load_bundle
from flipbatch.models.precision import has_bfloat16
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.scoring.build_manifest import building_here
from flipbatch.scoring.dry_run import dry_run
from flipbatch.scoring.job import ScoreOptions
from flipbatch.scoring.models import load_models
from flipbatch.scoring.read_results import read_predictions
from flipbatch.scoring.run import run_identity, start_run
from tests.conftest import jpeg, write_frames
from tests.scoring.conftest import contents, score

local = partial(ScoreOptions, executor="local")
STATUSES = ("missing", "unreadable", "corrupt", "too_large", "unsupported")


@pytest.fixture(scope="module")
def scored(frames: Path, bundles: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of both models over `frames`."""
    out = tmp_path_factory.mktemp("scored") / "out"
    score(local(frames=str(frames), models=bundles, out=str(out)))
    return out


def predictions(out: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(out / "predictions" / f"model={name}")


def test_every_frame_is_a_row_for_each_model(scored: Path) -> None:
    for name in ("cnn_model", "mobilenet_v2"):
        rows = predictions(scored, name)
        assert len(rows) == 27
        assert rows.uri.is_unique


def test_bad_frames_are_rows_that_say_why(scored: Path) -> None:
    rows = predictions(scored, "cnn_model").set_index("frame_number")
    assert rows.loc[[100, 101, 102], "status"].tolist() == ["corrupt"] * 3
    assert rows.loc[[100, 101, 102], "error"].notna().all()
    assert rows.loc[[100, 101, 102], ["flip_probability", "prediction"]].isna().all(axis=None)


def test_the_misnamed_file_is_listed_and_counted(scored: Path) -> None:
    misnamed = pq.read_table(scored / "misnamed.parquet").to_pylist()
    assert [Path(row["uri"]).name for row in misnamed] == ["cover.jpg"]
    assert json.loads((scored / "metrics.json").read_text())["frames"]["misnamed"] == 1


def test_counts_add_up(scored: Path) -> None:
    metrics = json.loads((scored / "metrics.json").read_text())
    counts = metrics["models"]["cnn_model"]["frames"]
    assert metrics["frames"]["total"] == metrics["frames"]["scored"] + sum(
        metrics["frames"]["errors"].values()
    )
    assert sum(counts[name] for name in ("tp", "fp", "fn", "tn")) == metrics["frames"]["scored"] == 24
    videos = pd.read_parquet(scored / "videos")
    for _, rows in videos.groupby("model"):
        assert (rows.frames.sum(), rows.scored.sum(), rows.errors.sum()) == (27, 24, 3)


def test_predictions_are_sorted_and_decided_at_the_threshold(scored: Path) -> None:
    rows = predictions(scored, "mobilenet_v2")
    assert list(zip(rows.video_id, rows.frame_number, strict=True)) == sorted(
        zip(rows.video_id, rows.frame_number, strict=True)
    )
    good = rows[rows.status == "ok"]
    assert ((good.flip_probability >= 0.5) == (good.prediction == "flip")).all()


def test_probabilities_are_those_of_the_model_on_the_decoded_frame(
    scored: Path, bundles: tuple[str, str]
) -> None:
    import torch

    from flipbatch.frames.decode import decode

    bundle = load_bundle(bundles[0])[0]
    row = predictions(scored, "cnn_model").iloc[0]
    pixels = decode(Path(row.uri).read_bytes(), bundle.input_size)
    assert isinstance(pixels, np.ndarray)
    with torch.inference_mode():
        logit = bundle.network()(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    assert row.flip_probability == pytest.approx(float(logit.sigmoid()), abs=2e-3)


def test_pyarrow_pandas_and_duckdb_read_the_same_tables(scored: Path) -> None:
    folder = scored / "predictions"
    arrow = (
        ds.dataset(folder, partitioning="hive")
        .to_table()
        .sort_by([("model", "ascending"), ("uri", "ascending")])
    )
    pandas = pd.read_parquet(folder).sort_values(["model", "uri"])
    files = f"read_parquet('{folder}/*/*.parquet', hive_partitioning=true)"
    rows = duckdb.execute(f"SELECT uri, status, prediction FROM {files} ORDER BY model, uri").fetchall()
    assert arrow["uri"].to_pylist() == pandas.uri.tolist() == [row[0] for row in rows]
    assert arrow["status"].to_pylist() == [row[1] for row in rows]
    assert arrow["prediction"].to_pylist() == [row[2] for row in rows]


def test_every_table_carries_the_fingerprints(scored: Path, bundles: tuple[str, str]) -> None:
    run = json.loads((scored / "run.json").read_text())["fingerprint"].encode()
    bundle = load_bundle(bundles[0])[1].encode()
    folders = ("predictions/model=cnn_model", "videos", "events", "stills")
    for file in (file for folder in folders for file in (scored / folder).iterdir()):
        metadata = pq.read_schema(file).metadata
        assert (metadata[b"flipbatch.run"], metadata[b"flipbatch.bundle.cnn_model"]) == (run, bundle)


def test_a_run_that_lost_shards_scores_only_those(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    options = local(manifest=str(manifest), models=bundles[:1], out=str(tmp_path / "out"))
    score(options)
    shards, before = tmp_path / "out" / "shards", contents(tmp_path / "out")
    (tmp_path / "out" / "_SUCCESS").unlink()
    lost, kept = sorted(shards.iterdir())[:2]
    lost.unlink()
    lines = dry_run(dataclasses.replace(options, retry_errors=True))
    assert {"shards: 2, 1 committed", "frames to read again: 0"} <= set(lines)
    written = kept.stat().st_mtime_ns
    score(options)
    assert contents(tmp_path / "out") == before
    assert kept.stat().st_mtime_ns == written


def test_retrying_errors_reads_only_frames_whose_storage_failed(
    bundles: tuple[str, str], tmp_path: Path
) -> None:
    frames, out = write_frames(tmp_path / "frames", videos=2, frames=4), tmp_path / "out"
    (frames / "flip" / "0000_000000009.jpg").write_bytes(b"")
    lost = frames / "flip" / "0001_000000002.jpg"
    data = lost.read_bytes()
    lost.unlink()
    lost.symlink_to(tmp_path / "nowhere")
    options = local(frames=str(frames), models=bundles[:1], out=str(out))
    assert score(options)["frames"]["errors"] == dict.fromkeys(STATUSES, 0) | {"corrupt": 1, "missing": 1}
    lost.unlink()
    lost.write_bytes(data)
    (frames / "flip" / "0000_000000009.jpg").write_bytes(data)
    retried = score(dataclasses.replace(options, retry_errors=True))
    assert retried["frames"]["errors"] == dict.fromkeys(STATUSES, 0) | {"corrupt": 1}
    undisturbed = score(dataclasses.replace(options, out=str(tmp_path / "other")))
    rows, other = predictions(out, "cnn_model"), predictions(tmp_path / "other", "cnn_model")
    assert undisturbed["frames"]["scored"] == retried["frames"]["scored"] + 1
    assert rows[rows.status == "ok"].equals(other[other.uri.isin(rows[rows.status == "ok"].uri)])
    before = contents(out)
    next((out / "predictions").rglob("*.parquet")).unlink()
    score(dataclasses.replace(options, retry_errors=True))
    assert contents(out) == before


def test_a_retry_without_failed_frames_says_so_and_leaves_the_run_finished(
    scored: Path,
    frames: Path,
    bundles: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(RunDirectory, "reopen")
    before = contents(scored)
    with caplog.at_level(logging.INFO, "flipbatch"):
        score(local(frames=str(frames), models=bundles, out=str(scored), retry_errors=True))
    assert contents(scored) == before
    assert "No frame is missing or unreadable: no frame is read again." in caplog.messages
    assert caplog.messages[0] == "1 file is not a frame: flip/cover.jpg."


def test_a_finished_run_with_a_file_of_somebody_else_stays_finished(
    scored: Path, frames: Path, bundles: tuple[str, str]
) -> None:
    stranger = scored / "predictions" / "Thumbs.db"
    stranger.touch()
    before = contents(scored)
    with pytest.raises(OutputError, match=r"Thumbs\.db is not a file of this run: move it away or remove it"):
        score(local(frames=str(frames), models=bundles, out=str(scored), retry_errors=True))
    assert contents(scored) == before
    stranger.unlink()


def test_a_retry_scores_a_shard_that_was_deleted(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    options = local(manifest=str(manifest), models=bundles[:1], out=str(tmp_path / "out"))
    score(options)
    before = contents(tmp_path / "out")
    next((tmp_path / "out" / "shards").iterdir()).unlink()
    score(dataclasses.replace(options, retry_errors=True))
    assert contents(tmp_path / "out") == before


def test_a_finished_run_is_left_as_it_is(scored: Path, frames: Path, bundles: tuple[str, str]) -> None:
    before = contents(scored)
    metrics = score(local(frames=str(frames), models=bundles, out=str(scored)))
    assert metrics == json.loads((scored / "metrics.json").read_text())
    assert contents(scored) == before


def test_a_resume_with_another_threshold_is_refused(
    scored: Path, frames: Path, bundles: tuple[str, str]
) -> None:
    changed = local(frames=str(frames), models=bundles, out=str(scored), threshold=0.25)
    with pytest.raises(OutputError, match=r"models.cnn_model.threshold was 0.5 and is now 0.25"):
        score(changed)


def test_a_manifest_that_was_edited_is_another_run(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    manifest = tmp_path / "frames.csv"
    manifest.write_text(f"uri\n{frames}/flip/0000_000000000.jpg\n")
    options = local(manifest=str(manifest), models=bundles[:1], out=str(tmp_path / "out"))
    score(options)
    manifest.write_text(manifest.read_text() + f"{frames}/flip/0000_000000001.jpg\n")
    with pytest.raises(OutputError, match="manifest_digest was"):
        score(options)


def test_a_run_without_its_success_file_is_finished_again(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    options = local(frames=str(frames), models=bundles[:1], out=str(tmp_path / "out"), limit=5)
    score(options)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "_SUCCESS").unlink()
    score(options)
    assert contents(tmp_path / "out") == before


def test_two_models_of_one_name_need_a_new_name(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    twice = local(frames=str(frames), models=(bundles[0], bundles[0]), out=str(tmp_path / "out"))
    with pytest.raises(InputError, match="NAME=URI"):
        score(twice)
    renamed = local(
        frames=str(frames), models=(bundles[0], f"second={bundles[0]}"), out=str(tmp_path / "out"), limit=5
    )
    assert set(score(renamed)["models"]) == {"cnn_model", "second"}


def test_a_run_that_an_older_version_started_keeps_its_names(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    named = (f"1={bundles[0]}", f"true={bundles[0]}")
    options = local(frames=str(frames), models=named, out=str(tmp_path / "out"), limit=5)
    with pytest.raises(InputError, match="A model can't be called '1'"):
        score(options)
    models, directory = load_models(named, None, {"1", "true"}), RunDirectory.at(options.out)
    with building_here(options.frames, None, 5, directory.uri) as building:
        start_run(directory, run_identity(options.frames, None, 5, models), building())
    assert "models: 1 at threshold 0.500, true at threshold 0.500" in dry_run(options)
    assert set(score(options)["models"]) == {"1", "true"}
    assert set(read_predictions(options.out).model) == {"1", "true"}


def test_an_output_below_a_folder_of_a_column_is_said_once(
    frames: Path, bundles: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = str(tmp_path / "model=x" / "run=3" / "out")
    score(local(frames=str(frames), models=bundles[:1], out=out, limit=5))
    assert [record.message for record in caplog.records if "--out has" in record.message] == [
        "--out has the folder model=x in its path: DuckDB and others that take such folders for columns put "
        "x in place of the tables' own column model. Choose an --out without it."
    ]


def test_a_limit_scores_the_first_frames_only(frames: Path, bundles: tuple[str, str], tmp_path: Path) -> None:
    metrics = score(local(frames=str(frames), models=bundles[:1], out=str(tmp_path / "out"), limit=5))
    assert metrics["frames"]["total"] == 5


def test_without_labels_metrics_are_null_and_say_so(bundles: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "0001_1.jpg").write_bytes(jpeg(flip=True, seed=1))
    metrics = score(local(frames=str(tmp_path), models=bundles[:1], out=str(tmp_path / "out")))
    assert "No frame has a label" in metrics["note"]
    assert set(metrics["models"]["cnn_model"]["frames"].values()) == {None}


def test_a_dry_run_writes_nothing(frames: Path, bundles: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "label=x" / "out"
    lines = dry_run(local(frames=str(frames), models=bundles, out=str(out)))
    assert lines[1].startswith("--out has the folder label=x in its path")
    assert "frames: 27 of 6 videos: 14 flip, 13 notflip, 0 without label" in lines
    assert not out.exists()


def test_a_dry_run_of_a_finished_run_says_so_and_what_a_retry_would_read(
    scored: Path, frames: Path, bundles: tuple[str, str]
) -> None:
    options = local(frames=str(frames), models=bundles, out=str(scored), retry_errors=True)
    lines = dry_run(options)
    assert lines[0] == f"has finished {scored}"
    assert "frames to read again: 0" in lines


def test_an_output_that_a_worker_cannot_write_is_one_sentence_and_resumes(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    options = local(frames=str(frames), models=bundles[:1], out=str(tmp_path / "out"), limit=5)
    score(options)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "_SUCCESS").unlink()
    blocked = tmp_path / "out" / "shards"
    shutil.rmtree(blocked)
    blocked.symlink_to("/proc/no-such-folder")
    with pytest.raises(StorageError, match=r"Can't write .*shards/000000000\.parquet"):
        score(options)
    blocked.unlink()
    score(options)
    assert contents(tmp_path / "out") == before


def test_a_run_with_another_engine_is_refused_only_if_shards_are_missing(
    frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    options = local(frames=str(frames), models=bundles[:1], out=str(tmp_path / "out"), limit=5)
    score(options)
    engine = json.loads((tmp_path / "out" / "engine.json").read_text())
    engine["versions"]["simplejpeg"] = "0.1"
    (tmp_path / "out" / "engine.json").write_text(json.dumps(engine))
    (tmp_path / "out" / "_SUCCESS").unlink()
    score(options)  # only the merge is left, which no engine takes part in
    (tmp_path / "out" / "_SUCCESS").unlink()
    (tmp_path / "out" / "shards" / "000000000.parquet").unlink()
    with pytest.raises(OutputError, match=r"simplejpeg 0\.1.*add --allow-mixed-engines"):
        score(options)
    score(dataclasses.replace(options, allow_mixed_engines=True))


def test_engines_that_are_mixed_are_in_the_metrics_and_in_the_report(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options = local(manifest=str(manifest), models=bundles[:1], out=str(out), allow_mixed_engines=True)
    assert len(score(options)["engines"]) == 1
    (out / "_SUCCESS").unlink()
    (out / "shards" / "000000001.parquet").unlink()
    monkeypatch.setattr(cpu_engine, "fastest_precision", lambda device: "float32")
    engines = score(options)["engines"]
    assert [engine["precision"] for engine in engines] == ["bfloat16", "float32"] or not has_bfloat16()
    assert "engines scored this run" in (out / "report.html").read_text() or not has_bfloat16()


def test_a_run_of_an_older_schema_is_refused(frames: Path, bundles: tuple[str, str], tmp_path: Path) -> None:
    options = local(frames=str(frames), models=bundles[:1], out=str(tmp_path / "out"), limit=5)
    score(options)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    del run["schema_version"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(run))
    with pytest.raises(OutputError, match="started with schema version 1 and can't be resumed"):
        score(options)


def test_every_table_and_json_file_has_the_schema_version(scored: Path) -> None:
    for file in scored.rglob("*.parquet"):
        assert pq.read_schema(file).metadata[b"flipbatch.schema_version"] == b"2", file
    for name in ("run.json", "metrics.json"):
        assert json.loads((scored / name).read_text())["schema_version"] == 2


def test_attempt_markers_are_gone_after_a_run(scored: Path) -> None:
    assert not (scored / "attempts").exists()


def test_a_run_on_s3_has_the_results_of_a_local_one_and_is_left_as_it_is(
    s3_server: str, frames: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket="scored")
    options = local(frames=str(frames), models=bundles[:1], out="s3://scored/out")
    metrics = score(options)
    assert metrics == score(dataclasses.replace(options, out=str(tmp_path / "out")))
    assert score(options) == metrics
    kept = {"_SUCCESS", "engine.json", "manifest", "metrics.json", "misnamed.parquet", "predictions"}
    kept |= {"report.html", "run.json", "shards", "videos", "events", "stills"}
    assert set(storage.names_in("s3://scored/out")) == kept
