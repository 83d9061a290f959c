"""Facts about `flipbatch.runtime.run_directory`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.runtime.run_directory import RUN_FILE, RunDirectory, fingerprint, require_same

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
    assert directory.identity(frozenset()) is None
    assert not directory.is_finished


def test_a_run_is_found_as_it_was_begun(directory):
    directory.begin(IDENTITY, frames=3)
    assert directory.identity(frozenset()) == IDENTITY
    run = directory.read_json(RUN_FILE)
    assert run["frames"] == 3
    assert run["fingerprint"] == fingerprint({"identity": IDENTITY, "frames": 3})
    assert {"flipbatch", "python", "ray", "pyarrow"} <= set(run["versions"])


def test_a_run_with_other_files_beside_run_json_is_found(directory):
    directory.begin(IDENTITY)
    storage.write(directory.path("notes.txt"), b"mine")
    assert directory.identity(frozenset()) == IDENTITY


def test_a_run_is_finished_once_it_says_so(directory):
    directory.begin(IDENTITY)
    assert not directory.is_finished
    directory.finish()
    assert directory.is_finished


def test_what_an_interrupted_start_left_is_no_stranger(directory):
    storage.write(directory.path("manifest", "part-00000.parquet"), b"")
    storage.write(directory.path(f".run.json.{'0' * 32}.tmp"), b"")
    assert directory.identity(LEFT_BEFORE) is None


def test_a_directory_of_something_else_is_refused(directory):
    storage.write(directory.path("thesis.tex"), b"")
    with pytest.raises(OutputError, match=r"out holds thesis\.tex and no run\.json: it belongs to something"):
        directory.identity(LEFT_BEFORE)


def test_a_file_is_no_directory_for_a_run(directory):
    storage.write(directory.uri, b"")
    with pytest.raises(OutputError, match=r"holds out and no run\.json"):
        directory.identity(LEFT_BEFORE)


def test_a_damaged_run_json_is_refused(directory):
    storage.write(directory.path(RUN_FILE), b'{"identity": ')
    with pytest.raises(OutputError, match=r"out/run\.json is damaged: Expecting value.* another --out"):
        directory.identity(frozenset())


def test_a_run_json_that_is_no_object_is_refused(directory):
    storage.write(directory.path(RUN_FILE), b"[]")
    with pytest.raises(OutputError, match=r"out/run\.json is damaged: it holds no object"):
        directory.identity(frozenset())


@pytest.mark.parametrize("value", [{}, {"identity": None}, {"identity": "run 7"}])
def test_the_run_json_of_another_program_is_refused(directory, value):
    directory.write_json(RUN_FILE, value)
    with pytest.raises(OutputError, match=r"out/run\.json is no run of flipbatch"):
        directory.identity(frozenset())


def test_a_file_that_must_be_there_and_is_not_says_so(directory):
    with pytest.raises(StorageError, match=r"Can't read the run's file .*/metrics\.json: there is no such"):
        directory.read_json("metrics.json")


def test_equal_values_are_equal_files(directory):
    directory.write_json("a.json", {"x": 1, "y": {"b": 2, "a": None}})
    directory.write_json("b.json", {"y": {"a": None, "b": 2}, "x": 1})
    assert storage.read(directory.path("a.json")) == storage.read(directory.path("b.json"))


def test_a_value_that_no_json_reader_knows_is_never_written(directory):
    with pytest.raises(ValueError, match="JSON"):
        directory.write_json("a.json", {"f1": float("nan")})


# ---------------------------------------------------------------------------------------- resume


@given(identities)
def test_a_run_may_resume_as_itself_after_a_round_through_json(identity):
    require_same("out", json.loads(json.dumps(identity)), identity)


@given(identities)
def test_a_fingerprint_depends_on_values_and_not_on_their_order(identity):
    reordered = dict(reversed(identity.items()))
    assert fingerprint(identity) == fingerprint(reordered)
    assert fingerprint(identity) != fingerprint({**identity, "one more": 1})


def test_a_resume_with_other_settings_names_each_with_both_values():
    wanted = {"command": "score", "limit": 5, "models": {"cnn_model": {"threshold": 0.25}}}
    with pytest.raises(OutputError) as refused:
        require_same("/out", IDENTITY, wanted)
    assert str(refused.value) == (
        "/out belongs to another run: limit was None and is now 5; models.cnn_model.threshold was 0.5 and is "
        "now 0.25. Repeat that command, or choose another --out."
    )


def test_a_resume_with_one_more_model_is_refused():
    wanted = {**IDENTITY, "models": {**IDENTITY["models"], "mobilenet_v2": {"threshold": 0.5}}}
    with pytest.raises(OutputError, match=r"models\.mobilenet_v2\.threshold was None and is now 0\.5"):
        require_same("/out", IDENTITY, wanted)
