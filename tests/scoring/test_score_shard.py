"""Facts about `flipbatch.scoring.score_shard`."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flipbatch.frames.appearance import appearance_of
from flipbatch.frames.decode import InputSize, decode
from flipbatch.frames.load import LoadedFrames
from flipbatch.models.cpu_engine import CpuEngine
from flipbatch.models.predictor import Predictor
from flipbatch.schema import FRAME_FACTS, PREDICTIONS, THUMBNAIL, Status
from flipbatch.scoring.engines import engine_text, engines_of
from flipbatch.scoring.score_shard import (
    SHARD_COLUMNS,
    CommittedRows,
    DecodedShard,
    commit_shard,
    decode_shards,
    predict_shard,
    with_frame_facts,
)
from tests.conftest import jpeg
from tests.scoring.conftest import manifest_of, start

SIZE = InputSize(60, 34)


@pytest.fixture(scope="module")
def predictor(tiny_bundle):
    return Predictor(tiny_bundle)


@pytest.fixture
def frames(tmp_path):
    """One good frame, one cut off, one that is not there, another good one."""
    whole = jpeg(flip=True, seed=1)
    (tmp_path / "a_1.jpg").write_bytes(whole)
    (tmp_path / "a_2.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a_4.jpg").write_bytes(jpeg(flip=False, seed=2))
    return [("a", number, f"{tmp_path}/a_{number}.jpg", "flip") for number in (1, 2, 3, 4)]


@pytest.fixture
def run(start_at, frames):
    return start_at(manifest_of(frames))


def decode_shard(run, sizes, shard):
    return next(decode_shards(run, sizes, [shard]))


def score_shard(run, predictors, decoded):
    return commit_shard(run, predict_shard(run, predictors, decoded))


def committed_rows(run, shard=0):
    return pq.read_table(run.shard_path(shard))


def test_a_shard_has_one_row_a_frame_in_the_manifests_order(run, frames, predictor):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    table = committed_rows(run)
    assert table.schema.names == [*SHARD_COLUMNS, "group", *FRAME_FACTS.names, "cnn_model"]
    assert table["uri"].to_pylist() == [uri for *_, uri, _ in frames]
    assert table["label"].to_pylist() == ["flip"] * 4


def test_bad_frames_are_rows_without_probability(run, predictor):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    rows = committed_rows(run).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "corrupt", "missing", "ok"]
    assert [row["cnn_model"] is None for row in rows] == [False, True, True, False]
    assert [row["error"] is None for row in rows] == [True, False, False, True]


def test_probabilities_are_those_of_the_model_on_the_decoded_frame(run, frames, predictor):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    for row in (0, 3):
        with open(frames[row][2], "rb") as file:
            pixels = np.asarray(decode(file.read(), SIZE))
        expected = predictor.probabilities(pixels[np.newaxis])[0]
        assert committed_rows(run)["cnn_model"][row].as_py() == pytest.approx(expected, abs=1e-6)
    assert committed_rows(run).schema.field("cnn_model").type == PREDICTIONS.field("flip_probability").type


def test_a_committed_shard_is_counted(run, predictor):
    committed = score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    assert (committed.shard, committed.frames, committed.errors) == (0, 4, 2)
    assert committed.started < committed.decoded < committed.committed
    assert run.committed() == {0}


def test_the_first_commit_stays(run, frames, predictor):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    first = Path(run.shard_path(0)).read_bytes()
    good = Path(frames[0][2])
    good.rename(good.with_suffix(".away"))
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    good.with_suffix(".away").rename(good)
    assert Path(run.shard_path(0)).read_bytes() == first
    assert run.committed() == {0}


def test_committing_elsewhere_gives_the_same_bytes(run, predictor):
    decoded = decode_shard(run, [SIZE], 0)
    score_shard(run, [predictor], decoded)
    first = Path(run.shard_path(0)).read_bytes()
    Path(run.shard_path(0)).unlink()
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    assert Path(run.shard_path(0)).read_bytes() == first


def test_a_shard_without_any_good_frame_is_committed(start_at, predictor):
    run = start_at(manifest_of([("a", 1, "/nowhere/a_1.jpg", None)]))
    committed = score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    assert (committed.frames, committed.errors) == (1, 1)
    assert committed_rows(run)["cnn_model"].to_pylist() == [None]


def test_a_shard_carries_the_fingerprints_of_run_and_bundle(run, predictor):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    metadata = committed_rows(run).schema.metadata
    assert metadata[b"flipbatch.run"].decode() == run.run_fingerprint
    assert metadata[b"flipbatch.bundle.cnn_model"] == b"bundle of cnn_model"


def test_a_shard_names_the_engine_that_scored_it(run, predictor):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    assert engines_of(committed_rows(run)) == {engine_text(predictor.engine)}


def test_a_retried_shard_names_both_engines(run, frames, predictor, tiny_bundle):
    score_shard(run, [predictor], decode_shard(run, [SIZE], 0))
    Path(frames[2][2]).write_bytes(Path(frames[0][2]).read_bytes())
    other = Predictor(
        tiny_bundle,
        CpuEngine(tiny_bundle, "float32" if predictor.engine.precision == "bfloat16" else "bfloat16"),
    )
    (decoded,) = decode_shards(run, [SIZE], [0], retry=True)
    score_shard(run, [other], decoded)
    assert engines_of(committed_rows(run)) == {engine_text(predictor.engine), engine_text(other.engine)}
    assert committed_rows(run)["status"].to_pylist() == ["ok", "corrupt", "ok", "ok"]


def test_models_of_two_input_sizes_share_one_reading(tmp_path, frames, tiny_bundle, predictor):
    large = InputSize(120, 68)
    other = Predictor(dataclasses.replace(tiny_bundle, name="large", input_size=large))
    run = start(tmp_path, manifest_of(frames), {"cnn_model": 0.5, "large": 0.5})
    decoded = decode_shard(run, [SIZE, large], 0)
    assert {size: loaded.pixels.shape for size, loaded in decoded.frames.items()} == {
        SIZE: (4, 60, 34, 3),
        large: (4, 120, 68, 3),
    }
    score_shard(run, [predictor, other], decoded)
    small, big = (committed_rows(run)[name].to_pylist() for name in ("cnn_model", "large"))
    assert [one is None for one in small] == [one is None for one in big] == [False, True, True, False]
    assert small[0] != big[0]


def test_a_frame_is_ok_only_where_every_input_size_could_be_decoded(run, predictor, tiny_bundle):
    large = InputSize(120, 68)
    rows = decode_shard(run, [], 0).rows.slice(0, 3)
    ok, bad = Status.OK, Status.TOO_LARGE
    shard = DecodedShard(
        0,
        rows,
        {
            SIZE: LoadedFrames(np.zeros((3, 60, 34, 3), np.uint8), [ok, ok, bad], [None, None, "first"]),
            large: LoadedFrames(
                np.zeros((3, 120, 68, 3), np.uint8), [ok, bad, bad], [None, "huge", "second"]
            ),
        },
        started=0,
    )
    score_shard(run, [predictor], shard)
    table = committed_rows(run)
    assert table["status"].to_pylist() == ["ok", "too_large", "too_large"]
    assert table["error"].to_pylist() == [None, "huge", "first"]
    assert table["cnn_model"].is_null().equals(pa.chunked_array([[False, True, True]]))


def test_scoring_on_cpus_imports_no_torch():
    code = """
import sys
from pathlib import Path
import flipbatch.scoring.ray_executor, flipbatch.models.cpu_engine
print({"torch", "torchvision", "duckdb"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_shard_says_what_its_frames_look_like(run, predictor):
    decoded = decode_shard(run, [SIZE], 0)
    score_shard(run, [predictor], decoded)
    looks, rows = appearance_of(decoded.frames[SIZE].pixels), committed_rows(run).to_pylist()
    assert [row["sharpness"] is None for row in rows] == [False, True, True, False]
    assert [row["thumbnail"] is None for row in rows] == [False, True, True, False]
    for row in (0, 3):
        assert rows[row]["sharpness"] == looks.sharpness[row]
        assert rows[row]["thumbnail"] == looks.thumbnails[row].tobytes()
    assert looks.thumbnails[0].shape == THUMBNAIL


def test_a_shard_of_an_older_version_has_facts_that_are_null():
    shard = with_frame_facts(pa.table({"uri": ["a", "b"]}))
    assert shard.select(FRAME_FACTS.names).schema == FRAME_FACTS
    assert with_frame_facts(shard).equals(shard)
    assert shard["thumbnail"].null_count == 2


def test_retried_rows_stay_in_their_places():
    rows = pa.table({"uri": list("abcd"), "status": ["ok", "missing", "ok", "unreadable"]})
    committed = CommittedRows(rows.take([0, 2]), np.array([False, True, False, True]), replaces=True)
    retried = with_frame_facts(pa.table({"uri": ["b", "d"], "status": ["ok", "corrupt"]}))
    assert committed.merged(retried)["status"].to_pylist() == ["ok", "ok", "ok", "corrupt"]
    assert committed.merged(retried)["uri"].to_pylist() == list("abcd")
