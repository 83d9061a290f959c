"""Facts about `flipbatch.scoring.engines`: one run, one engine."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.models.engine_identity import EngineIdentity
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.scoring.engines import (
    engine_text,
    engines_as_json,
    engines_metadata,
    engines_of,
    require_engine,
    require_engine_of_driver,
)

OWN = EngineIdentity.here("openvino", "cpu", "bfloat16")
FLOAT32 = dataclasses.replace(OWN, precision="float32")
GPU = EngineIdentity.here("torch", "cuda", "bfloat16")
OLDER = dataclasses.replace(OWN, versions={**OWN.versions, "simplejpeg": "0.1"})


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(str(tmp_path))


def test_the_first_worker_decides_and_equal_workers_agree(directory):
    require_engine(directory, OWN, allow_mixed=False)
    before = storage.read(directory.path("engine.json"))
    require_engine(directory, OWN, allow_mixed=False)
    assert storage.read(directory.path("engine.json")) == before
    assert EngineIdentity.from_json(directory.read_json("engine.json")) == OWN


@pytest.mark.parametrize("other", [FLOAT32, GPU, OLDER])
def test_another_engine_is_refused_unless_it_is_allowed(directory, other):
    require_engine(directory, OWN, allow_mixed=False)
    with pytest.raises(OutputError, match="add --allow-mixed-engines"):
        require_engine(directory, other, allow_mixed=False)
    require_engine(directory, other, allow_mixed=True)
    assert EngineIdentity.from_json(directory.read_json("engine.json")) == OWN


def test_the_sentence_names_both_engines_where_they_differ(directory):
    require_engine(directory, OLDER, allow_mixed=False)
    with pytest.raises(OutputError) as refused:
        require_engine(directory, OWN, allow_mixed=False)
    here = OWN.versions["simplejpeg"]
    assert "was scored with openvino in bfloat16 on cpu (" in str(refused.value)
    assert "simplejpeg 0.1" in str(refused.value)
    assert f"this worker uses openvino in bfloat16 on cpu (simplejpeg {here})." in str(refused.value)


def test_the_driver_compares_device_and_versions_but_not_precision(directory):
    require_engine_of_driver(directory, "cuda", allow_mixed=False)
    require_engine(directory, FLOAT32, allow_mixed=False)
    require_engine_of_driver(directory, "cpu", allow_mixed=False)
    require_engine_of_driver(directory, "cuda", allow_mixed=True)
    with pytest.raises(OutputError, match=r"in float32 on cpu .*; this command uses GPUs\. Start"):
        require_engine_of_driver(directory, "cuda", allow_mixed=False)


def test_the_driver_refuses_other_versions(directory):
    require_engine(directory, OLDER, allow_mixed=False)
    with pytest.raises(OutputError, match=r"simplejpeg 0\.1.*; this command uses .*simplejpeg 1"):
        require_engine_of_driver(directory, "cpu", allow_mixed=False)


def test_a_damaged_engine_file_is_one_sentence(directory):
    directory.write_json("engine.json", {"engine": "abacus"})
    with pytest.raises(OutputError, match=r"engine\.json is damaged"):
        require_engine(directory, OWN, allow_mixed=False)


def test_engines_travel_in_the_metadata_of_a_table():
    engines = {engine_text(OWN), engine_text(GPU)}
    table = pa.table({"x": [1]}).replace_schema_metadata(engines_metadata(engines))
    assert engines_of(table) == engines
    assert engines_as_json(engines) == [OWN.to_json(), GPU.to_json()]
    assert engines_of(pa.table({"x": [1]})) == frozenset()
