"""Facts about `flipbatch.scoring.run`."""

from __future__ import annotations

import dataclasses

import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.models.bundle import save_bundle
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.schema import MISNAMED
from flipbatch.scoring.models import load_models
from flipbatch.scoring.run import BEFORE_RUN_FILE, read_run, run_identity, start_run
from tests.scoring.conftest import build, manifest_of

FRAMES = [("flip/a", 1, "/f/flip/a_1.jpg", "flip"), ("flip/a", 2, "/f/flip/a_2.jpg", "flip")]


# ---------------------------------------------------------------------------------------- identity


def test_an_identity_has_one_spelling_of_its_uris(saved):
    models = load_models([saved("a")], None)
    assert run_identity("/frames/", None, None, models) == run_identity("file:///frames", None, None, models)


def test_another_bundle_threshold_limit_or_directory_is_another_run(saved):
    models = load_models([saved("a")], None)
    here = run_identity("/frames", None, None, models)
    others = [
        run_identity("/frames", None, 5, models),
        run_identity("/other", None, None, models),
        run_identity(None, "/frames", None, models),
        run_identity("/frames", None, None, load_models([saved("a")], 0.1)),
        run_identity("/frames", None, None, load_models([f"b={saved('a')}"], None)),
    ]
    for other in others:
        with pytest.raises(OutputError, match="belongs to another run"):
            require_same_identity("/out", here, other)


def test_a_retrained_bundle_is_refused_by_its_fingerprint(saved, tmp_path, tiny_bundle):
    before = run_identity("/frames", None, None, load_models([saved("a")], None))
    save_bundle(dataclasses.replace(tiny_bundle, provenance={"history": [1]}), f"{tmp_path}/a")
    after = run_identity("/frames", None, None, load_models([f"{tmp_path}/a"], None))
    with pytest.raises(OutputError, match=r"models\.cnn_model\.bundle was '.{64}' and is now '.{64}'"):
        require_same_identity("/out", before, after)


# ---------------------------------------------------------------------------------------- the directory


def test_a_run_is_read_as_it_was_started(start_at):
    manifest = manifest_of(FRAMES)
    run = start_at(manifest)
    facts = run.directory.read_json("run.json")["manifest"]
    assert facts == {
        "fingerprint": manifest_fingerprint(manifest.frames),
        "frames": 2,
        "videos": 1,
        "labelled": 2,
        "misnamed": 0,
        "shards": 1,
        "first_shards": [0],
        "folder": facts["folder"],
        "notes": [],
    }
    assert run.manifest == run.directory.path(facts["folder"])
    assert facts["folder"].startswith(f"manifest/{facts['fingerprint'][:16]}-")
    assert (run.plan.shards, run.plan.first_shards) == (1, (0,))
    assert (run.bundle_fingerprints, run.thresholds) == (
        {"cnn_model": "bundle of cnn_model"},
        {"cnn_model": 0.5},
    )


def test_misnamed_files_are_a_table_of_the_run(start_at):
    run = start_at(manifest_of(FRAMES, misnamed=["/f/x.txt"]))
    table = pq.read_table(f"{run.manifest}/misnamed.parquet")
    assert table.schema.equals(MISNAMED)
    assert table["uri"].to_pylist() == ["/f/x.txt"]


def test_run_json_comes_last(start_at, monkeypatch):
    written = []
    write, create = storage.write, storage.create
    monkeypatch.setattr(storage, "write", lambda uri, data: (written.append(uri), write(uri, data)))
    monkeypatch.setattr(storage, "create", lambda uri, data: (written.append(uri), create(uri, data))[1])
    run = start_at(manifest_of(FRAMES))
    assert written[-1] == run.directory.path("run.json")
    assert {uri.split("/out/")[1].split("/")[0] for uri in written[:-1]} <= BEFORE_RUN_FILE


def test_an_interrupted_start_may_be_repeated(tmp_path, start_at):
    directory = RunDirectory.at(f"{tmp_path}/out")
    start_at(manifest_of([*FRAMES, ("z", 1, "/f/z_1.jpg", None)]))
    (tmp_path / "out/run.json").unlink()
    assert directory.read_identity(BEFORE_RUN_FILE) is None
    assert start_at(manifest_of(FRAMES)).plan.shards == 1


def test_the_path_of_a_shard_depends_on_the_shard_alone(start_at):
    run = start_at(manifest_of(FRAMES))
    assert run.shard_path(7) == run.directory.path("shards", "000000007.parquet")
    assert read_run(run.directory).shard_path(7) == run.shard_path(7)


def test_only_shard_files_in_the_folder_are_committed(start_at):
    run = start_at(manifest_of(FRAMES))
    assert run.committed() == set()
    for shard in (0, 12):
        storage.write(run.shard_path(shard), b"1")
    for name in (f".000000003.parquet.{'0' * 32}.tmp", "3.parquet", "notes.txt"):
        storage.write(run.directory.path("shards", name), b"1")
    assert run.committed() == {0, 12}


def test_metadata_has_the_fingerprints_of_the_run_and_its_bundles(start_at):
    run = start_at(manifest_of(FRAMES))
    assert run.metadata() == {
        "flipbatch.run": run.run_fingerprint,
        "flipbatch.schema_version": "2",
        "flipbatch.bundle.cnn_model": "bundle of cnn_model",
    }
    assert run.metadata("cnn_model") == run.metadata()


def test_a_run_of_a_remote_directory_is_the_same(tiny_bundle):
    directory = RunDirectory.at("memory://run-test/out")
    start_run(directory, run_identity("/frames", None, None, []), build(directory.uri, manifest_of(FRAMES)))
    run = read_run(directory)
    storage.write(run.shard_path(0), b"1")
    assert run.committed() == {0}
    assert directory.read_identity(BEFORE_RUN_FILE) == run_identity("/frames", None, None, [])


def test_the_tables_of_a_run_are_in_one_place(start_at):
    run = start_at(manifest_of(FRAMES))
    assert (
        run.predictions_path("cnn_model", 3)
        == f"{run.directory.uri}/predictions/model=cnn_model/part-00003.parquet"
    )
    assert run.videos_path(3) == f"{run.directory.uri}/videos/part-00003.parquet"
    assert run.table_folders() == {
        f"{run.directory.uri}/videos": {"part-00000.parquet"},
        f"{run.directory.uri}/events": {"part-00000.parquet"},
        f"{run.directory.uri}/stills": {"part-00000.parquet"},
        f"{run.directory.uri}/predictions": {"model=cnn_model"},
        f"{run.directory.uri}/predictions/model=cnn_model": {"part-00000.parquet"},
    }
