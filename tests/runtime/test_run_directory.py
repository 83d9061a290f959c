"""Facts about `flipbatch.runtime.run_directory`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.runtime import run_directory as module
from flipbatch.runtime.run_directory import RUN_FILE, RunDirectory, require_same_identity, run_fingerprint
from flipbatch.schema import SCHEMA_VERSION

IDENTITY = {"command": "score", "limit": None, "models": {"cnn_model": {"threshold": 0.5}}}
LEFT_BEFORE = frozenset({"manifest"})

settings = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
identities = st.dictionaries(st.text(), settings, max_size=4)


@pytest.fixture
def directory(tmp_path):
    return RunDirectory.at(f"{tmp_path}/out/")


def test_a_directory_has_one_spelling(tmp_path):
    assert RunDirectory.at(f"file://{tmp_path}/out/") == RunDirectory(f"{tmp_path}/out")
    assert RunDirectory.at(f"{tmp_path}/out/").path("a", "b") == f"{tmp_path}/out/a/b"


def test_a_new_directory_holds_no_run(directory):
    assert directory.read_identity(frozenset()) is None
    assert not directory.is_finished


def test_a_run_is_found_as_it_was_started(directory):
    directory.start(IDENTITY, frames=3)
    assert directory.read_identity(frozenset()) == IDENTITY
    run = directory.read_json(RUN_FILE)
    assert run["frames"] == 3
    assert run["fingerprint"] == run_fingerprint({"identity": IDENTITY, "frames": 3})
    assert {"flipbatch", "python", "ray", "pyarrow"} <= set(run["versions"])
    assert run["schema_version"] == SCHEMA_VERSION


def test_a_run_with_other_files_beside_run_json_is_found(directory):
    directory.start(IDENTITY)
    storage.write(directory.path("notes.txt"), b"mine")
    assert directory.read_identity(frozenset()) == IDENTITY


def test_a_run_is_finished_once_it_is_marked(directory):
    directory.start(IDENTITY)
    assert not directory.is_finished
    directory.finish()
    assert directory.is_finished


def test_files_of_an_interrupted_start_are_not_another_run(directory):
    storage.write(directory.path("manifest", "part-00000.parquet"), b"")
    storage.write(directory.path(f".run.json.{'0' * 32}.tmp"), b"")
    assert directory.read_identity(LEFT_BEFORE) is None


@pytest.mark.parametrize(
    "name", [".DS_Store", "._x", ".nfs0001", "_temporary", "Thumbs.db", "desktop.ini", "lost+found"]
)
def test_what_file_managers_and_file_systems_leave_is_nothing(directory, name):
    storage.write(directory.path(name, "file"), b"")
    assert directory.read_identity(LEFT_BEFORE) is None


def test_a_finished_run_of_something_else_is_refused(directory):
    directory.finish()
    with pytest.raises(OutputError, match=r"out contains _SUCCESS but no run\.json"):
        directory.read_identity(LEFT_BEFORE)


def test_a_directory_of_something_else_is_refused(directory):
    storage.write(directory.path("thesis.tex"), b"")
    with pytest.raises(OutputError, match=r"out contains thesis\.tex but no run\.json: it is not"):
        directory.read_identity(LEFT_BEFORE)


def test_a_file_is_not_a_directory_for_a_run(directory):
    storage.write(directory.uri, b"")
    with pytest.raises(OutputError, match=r"contains out but no run\.json"):
        directory.read_identity(LEFT_BEFORE)


def test_a_damaged_run_json_is_refused(directory):
    storage.write(directory.path(RUN_FILE), b'{"identity": ')
    with pytest.raises(OutputError, match=r"out/run\.json is damaged: Expecting value.* another --out"):
        directory.read_identity(frozenset())


def test_a_run_json_that_is_not_an_object_is_refused(directory):
    storage.write(directory.path(RUN_FILE), b"[]")
    with pytest.raises(OutputError, match=r"out/run\.json is damaged: it is not a JSON object"):
        directory.read_identity(frozenset())


@pytest.mark.parametrize("value", [{}, {"identity": None}, {"identity": "run 7"}])
def test_the_run_json_of_another_program_is_refused(directory, value):
    directory.write_json(RUN_FILE, value)
    with pytest.raises(OutputError, match=r"out/run\.json is not a run of flipbatch"):
        directory.read_identity(frozenset())


def test_a_missing_file_is_a_storage_error(directory):
    with pytest.raises(StorageError, match=r"Can't read the run's file .*/metrics\.json: there is no such"):
        directory.read_json("metrics.json")


def test_equal_values_are_equal_files(directory):
    directory.write_json("a.json", {"x": 1, "y": {"b": 2, "a": None}})
    directory.write_json("b.json", {"y": {"a": None, "b": 2}, "x": 1})
    assert storage.read(directory.path("a.json")) == storage.read(directory.path("b.json"))


def test_a_value_outside_json_is_not_written(directory):
    with pytest.raises(ValueError, match="JSON"):
        directory.write_json("a.json", {"f1": float("nan")})


# ---------------------------------------------------------------------------------------- resume


@given(identities)
def test_a_run_resumes_as_itself_after_a_round_trip_through_json(identity):
    require_same_identity("out", json.loads(json.dumps(identity)), identity)


@given(identities)
def test_a_fingerprint_depends_on_values_but_not_on_their_order(identity):
    reordered = dict(reversed(identity.items()))
    assert run_fingerprint(identity) == run_fingerprint(reordered)
    assert run_fingerprint(identity) != run_fingerprint({**identity, "one more": 1})


def test_a_resume_with_other_settings_names_each_with_both_values():
    wanted = {"command": "score", "limit": 5, "models": {"cnn_model": {"threshold": 0.25}}}
    with pytest.raises(OutputError) as refused:
        require_same_identity("/out", IDENTITY, wanted)
    assert str(refused.value) == (
        "/out belongs to another run: limit was None and is now 5; models.cnn_model.threshold was 0.5 and is "
        "now 0.25. Repeat that command, or choose another --out."
    )


def test_a_resume_with_one_more_model_is_refused():
    wanted = {**IDENTITY, "models": {**IDENTITY["models"], "mobilenet_v2": {"threshold": 0.5}}}
    with pytest.raises(OutputError, match=r"models\.mobilenet_v2\.threshold was None and is now 0\.5"):
        require_same_identity("/out", IDENTITY, wanted)


# ---------------------------------------------------------------------------------------- schema versions


def rewrite_version(directory, version):
    run = directory.read_json(RUN_FILE)
    del run["schema_version"]
    directory.write_json(RUN_FILE, run if version is None else {**run, "schema_version": version})


def test_a_run_of_a_newer_schema_is_refused(directory):
    directory.start(IDENTITY)
    rewrite_version(directory, SCHEMA_VERSION + 1)
    with pytest.raises(OutputError) as refused:
        directory.read_identity(frozenset())
    assert str(refused.value) == (
        f"{directory.path(RUN_FILE)} has schema version {SCHEMA_VERSION + 1}, and this flipbatch reads "
        f"up to version {SCHEMA_VERSION}: upgrade flipbatch."
    )


def test_a_run_without_a_schema_version_is_of_version_1_and_is_read(directory):
    directory.start(IDENTITY)
    rewrite_version(directory, None)
    assert directory.read_run_file()["schema_version"] == 1
    assert directory.read_identity(frozenset()) == IDENTITY


def test_a_run_of_an_older_schema_can_not_be_resumed(directory):
    directory.start(IDENTITY)
    directory.require_resumable()
    rewrite_version(directory, None)
    with pytest.raises(OutputError) as refused:
        directory.require_resumable()
    assert str(refused.value) == (
        f"{directory.uri} was started with schema version 1 and can't be resumed with version "
        f"{SCHEMA_VERSION}: resume it with the older flipbatch, or choose another --out."
    )


@pytest.mark.parametrize("version", ["2", 2.0, True, 0, -1])
def test_a_schema_version_that_is_not_an_integer_from_1_on_is_damage(directory, version):
    directory.start(IDENTITY)
    rewrite_version(directory, version)
    with pytest.raises(OutputError, match=r"is damaged: schema_version is .*Choose another --out"):
        directory.read_identity(frozenset())


def test_the_schema_version_is_not_part_of_the_fingerprint(directory, monkeypatch):
    directory.start(IDENTITY)
    monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    other = RunDirectory.at(f"{directory.uri}-2")
    other.start(IDENTITY)
    assert other.read_json(RUN_FILE)["fingerprint"] == directory.read_json(RUN_FILE)["fingerprint"]


def test_a_second_start_of_the_same_run_keeps_the_first_file(directory):
    directory.start(IDENTITY, frames=3)
    directory.start(IDENTITY, frames=4)
    assert directory.read_json(RUN_FILE)["frames"] == 3


def test_a_second_start_of_another_run_is_refused(directory):
    directory.start(IDENTITY)
    with pytest.raises(OutputError, match="limit was None and is now 5"):
        directory.start({**IDENTITY, "limit": 5})
