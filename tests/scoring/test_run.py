"""Facts about `flipbatch.scoring.run`."""

from __future__ import annotations

import dataclasses

import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import BundleError, InputError, OutputError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.models.bundle import save_bundle
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.schema import MISNAMED
from flipbatch.scoring.run import BEFORE_RUN_FILE, begin_run, identity, load_models, read_run
from tests.scoring.conftest import build, manifest_of

FRAMES = [("flip/a", 1, "/f/flip/a_1.jpg", "flip"), ("flip/a", 2, "/f/flip/a_2.jpg", "flip")]


@pytest.fixture
def saved(tmp_path, tiny_bundle):
    """Save the tiny bundle under a name of its own; returns its URI."""

    def save(folder, name="cnn_model"):
        save_bundle(dataclasses.replace(tiny_bundle, name=name), f"{tmp_path}/{folder}")
        return f"{tmp_path}/{folder}"

    return save


# ---------------------------------------------------------------------------------------- models


def test_a_model_is_called_what_its_bundle_is_called(saved):
    (model,) = load_models([saved("a", name="my_model")], None)
    assert model.name == "my_model"
    assert len(model.fingerprint) == 64


def test_a_model_may_be_renamed(saved):
    (model,) = load_models([f"second-try.v2={saved('a')}"], None)
    assert model.name == model.bundle.name == "second-try.v2"


def test_renaming_changes_no_fingerprint(saved):
    uri = saved("a")
    assert len({model.fingerprint for model in load_models([uri, f"b={uri}"], None)}) == 1


def test_another_threshold_keeps_temperature_and_offset(tiny_bundle, tmp_path):
    calibration = Calibration(2.0, 0.3, offset=-1.5)
    save_bundle(dataclasses.replace(tiny_bundle, calibration=calibration), f"{tmp_path}/a")
    (model,) = load_models([f"{tmp_path}/a"], 0.75)
    assert model.bundle.calibration == Calibration(2.0, 0.75, offset=-1.5)


def test_models_have_one_order_however_they_are_given(saved):
    one, other = saved("a", name="one"), saved("b", name="other")
    assert [model.name for model in load_models([other, one], None)] == ["one", "other"]


def test_an_equals_sign_in_a_folder_is_no_name(saved):
    (model,) = load_models([saved("run=3/cnn")], None)
    assert model.name == "cnn_model"


def test_two_models_of_one_name_are_refused_with_the_way_out(saved):
    first, second, third = saved("a"), saved("b"), saved("c", name="other")
    with pytest.raises(InputError) as refused:
        load_models([first, second, third], None)
    assert str(refused.value) == (
        "Two models are called cnn_model: rename one with --model NAME=URI, for example --model "
        f"cnn_model_2={second}."
    )


def test_the_way_out_of_a_name_given_twice_is_its_uri(saved):
    with pytest.raises(InputError, match=r"--model x_2=/.*/a\."):
        load_models([f"x={saved('a')}", f"x={saved('a')}"], None)


@pytest.mark.parametrize("name", ["status", "label", "uri", "a/b", "two words", "line\nbreak", ""])
def test_a_name_that_no_column_or_folder_can_have_is_refused(saved, name):
    with pytest.raises(InputError, match=r"A model can't be called .*: rename it with --model NAME=/.*/a\."):
        load_models([saved("a", name=name)], None)


def test_a_model_can_not_be_renamed_to_a_column(saved):
    with pytest.raises(InputError, match="A model can't be called 'error'"):
        load_models([f"error={saved('a')}"], None)


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is not a model bundle"):
        load_models([str(tmp_path)], None)


def test_a_threshold_goes_before_the_bundles_own(saved, tiny_bundle):
    uri = saved("a")
    assert load_models([uri], 0.25)[0].bundle.calibration.threshold == 0.25
    assert load_models([uri], 0.0)[0].bundle.calibration.threshold == 0
    assert load_models([uri], None)[0].bundle.calibration == tiny_bundle.calibration


# ---------------------------------------------------------------------------------------- identity


def test_an_identity_has_one_spelling_of_its_uris(saved):
    models = load_models([saved("a")], None)
    assert identity("/frames/", None, None, models) == identity("file:///frames", None, None, models)


def test_another_bundle_threshold_limit_or_directory_is_another_run(saved):
    models = load_models([saved("a")], None)
    here = identity("/frames", None, None, models)
    others = [
        identity("/frames", None, 5, models),
        identity("/other", None, None, models),
        identity(None, "/frames", None, models),
        identity("/frames", None, None, load_models([saved("a")], 0.1)),
        identity("/frames", None, None, load_models([f"b={saved('a')}"], None)),
    ]
    for other in others:
        with pytest.raises(OutputError, match="belongs to another run"):
            require_same_identity("/out", here, other)


def test_a_retrained_bundle_is_refused_by_its_fingerprint(saved, tmp_path, tiny_bundle):
    before = identity("/frames", None, None, load_models([saved("a")], None))
    save_bundle(dataclasses.replace(tiny_bundle, provenance={"history": [1]}), f"{tmp_path}/a")
    after = identity("/frames", None, None, load_models([f"{tmp_path}/a"], None))
    with pytest.raises(OutputError, match=r"models\.cnn_model\.bundle was '.{64}' and is now '.{64}'"):
        require_same_identity("/out", before, after)


# ---------------------------------------------------------------------------------------- the directory


def test_a_run_is_read_as_it_was_begun(begin_at):
    manifest = manifest_of(FRAMES)
    run = begin_at(manifest)
    facts = run.directory.read_json("run.json")["manifest"]
    assert facts == {
        "fingerprint": manifest_fingerprint(manifest.frames),
        "frames": 2,
        "videos": 1,
        "misnamed": 0,
        "shards": 1,
        "first_shards": [0],
        "folder": facts["folder"],
    }
    assert run.manifest == run.directory.path(facts["folder"])
    assert facts["folder"].startswith(f"manifest/{facts['fingerprint'][:16]}-")
    assert (run.plan.shards, run.plan.first_shards) == (1, (0,))
    assert (run.models, run.thresholds) == ({"cnn_model": "bundle of cnn_model"}, {"cnn_model": 0.5})


def test_misnamed_files_are_a_table_of_the_run(begin_at):
    run = begin_at(manifest_of(FRAMES, misnamed=["/f/x.txt"]))
    table = pq.read_table(f"{run.manifest}/misnamed.parquet")
    assert table.schema.equals(MISNAMED)
    assert table["uri"].to_pylist() == ["/f/x.txt"]


def test_run_json_comes_last(begin_at, monkeypatch):
    written = []
    write, create = storage.write, storage.create
    monkeypatch.setattr(storage, "write", lambda uri, data: (written.append(uri), write(uri, data)))
    monkeypatch.setattr(storage, "create", lambda uri, data: (written.append(uri), create(uri, data))[1])
    run = begin_at(manifest_of(FRAMES))
    assert written[-1] == run.directory.path("run.json")
    assert {uri.split("/out/")[1].split("/")[0] for uri in written[:-1]} == BEFORE_RUN_FILE


def test_a_start_that_was_interrupted_may_begin_again(tmp_path, begin_at):
    directory = RunDirectory.at(f"{tmp_path}/out")
    begin_at(manifest_of([*FRAMES, ("z", 1, "/f/z_1.jpg", None)]))
    (tmp_path / "out/run.json").unlink()
    assert directory.read_identity(BEFORE_RUN_FILE) is None
    assert begin_at(manifest_of(FRAMES)).plan.shards == 1


def test_the_path_of_a_shard_depends_on_the_shard_alone(begin_at):
    run = begin_at(manifest_of(FRAMES))
    assert run.shard_path(7) == run.directory.path("shards", "000000007.parquet")
    assert read_run(run.directory).shard_path(7) == run.shard_path(7)


def test_what_lies_in_the_folder_is_committed_and_nothing_else(begin_at):
    run = begin_at(manifest_of(FRAMES))
    assert run.committed() == set()
    for shard in (0, 12):
        storage.write(run.shard_path(shard), b"1")
    for name in (f".000000003.parquet.{'0' * 32}.tmp", "3.parquet", "notes.txt"):
        storage.write(run.directory.path("shards", name), b"1")
    assert run.committed() == {0, 12}


def test_metadata_has_the_fingerprints_of_the_run_and_its_bundles(begin_at):
    run = begin_at(manifest_of(FRAMES))
    assert run.metadata() == {
        "flipbatch.run": run.fingerprint,
        "flipbatch.bundle.cnn_model": "bundle of cnn_model",
    }
    assert run.metadata("cnn_model") == run.metadata()


def test_a_run_of_a_remote_directory_is_the_same(tiny_bundle):
    directory = RunDirectory.at("memory://run-test/out")
    begin_run(directory, identity("/frames", None, None, []), build(directory.uri, manifest_of(FRAMES)))
    run = read_run(directory)
    storage.write(run.shard_path(0), b"1")
    assert run.committed() == {0}
    assert directory.read_identity(BEFORE_RUN_FILE) == identity("/frames", None, None, [])
