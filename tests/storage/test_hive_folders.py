"""Values of folders that readers take for something other than text, as the readers themselves say."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.storage.hive_folders import column_notes, is_text

ALPHABET = "0123456789.-_+eETZfdxbpnaIi"
TEXT = ["cnn_model", "second-try.v2", "2nd", "v1", "1a", "e5", "x1f", "3x3", "240x135_cnn", "2026-11-26-cnn"]
TEXT += ["resnet50", "none2", "nano", "infinite", "T5", "trueish", "d1", "1e", "b01", "_a", "a_1.0"]
NUMBERS = ["1", "02", "-7", "+7", "007", "1.5", ".5", "5.", "1e5", "1E-5", "1_000", "1d", "2.5F", "7L"]
NUMBERS += ["1e5d", "0x1F", "-0xA", "0b101", "0x1.8p1", "99999999999999999999999"]
DATES = ["2026-11-26", "2026-1-1", "2026-11", "26-11-2026", "20261126", "2026.11.26", "20261126T101500"]
DATES += ["2026-11-26T10.15Z", "epoch", "Today"]
OTHERS = ["true", "FALSE", "null", "None", "nan", "-NaN", "inf", "-Infinity", "NA", "NaT", "", "-", "_", ".."]
OTHERS += ["__HIVE_DEFAULT_PARTITION__"]


@pytest.mark.parametrize("value", TEXT)
def test_a_name_is_text(value: str) -> None:
    assert is_text(value)


@pytest.mark.parametrize("value", [*NUMBERS, *DATES, *OTHERS])
def test_what_some_reader_takes_for_another_type_is_no_text(value: str) -> None:
    assert not is_text(value)


# ------------------------------------------------------------------------------ the readers


def table_below(folder: Path, *values: str) -> Path:
    for value in values:
        (folder / f"model={value}").mkdir(parents=True)
        pq.write_table(pa.table({"frame": [1]}), folder / f"model={value}" / "part-00000.parquet")
    return folder


def read_by_duckdb(folder: Path) -> set[object]:
    return {row[0] for row in duckdb.execute(f"SELECT model FROM '{folder}/*/*.parquet'").fetchall()}


@pytest.mark.parametrize("value", TEXT)
def test_pandas_and_duckdb_read_text_as_it_is(tmp_path: Path, value: str) -> None:
    folder = table_below(tmp_path, value)
    assert set(pd.read_parquet(folder).model) == {value}
    assert read_by_duckdb(folder) == {value}


@pytest.mark.parametrize("value", ["1", "02", "0x1F", "-7"])
def test_pandas_reads_an_integer_for_a_name_that_is_no_text(tmp_path: Path, value: str) -> None:
    assert set(pd.read_parquet(table_below(tmp_path, value)).model) == {int(value, 0 if "x" in value else 10)}


@pytest.mark.parametrize("value", ["1", "2026-11-26", "epoch", "inf"])
def test_duckdb_reads_a_value_for_a_name_that_is_no_text(tmp_path: Path, value: str) -> None:
    assert read_by_duckdb(table_below(tmp_path, value)) != {value}


@given(st.text(ALPHABET, min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_whatever_duckdb_casts_or_pyarrow_parses_is_no_text(value: str) -> None:
    casts = ", ".join(f"TRY_CAST($1 AS {kind})" for kind in ("DATE", "TIMESTAMP", "BIGINT", "DOUBLE"))
    if any(one is not None for one in duckdb.execute(f"SELECT {casts}", [value]).fetchall()[0]):
        assert not is_text(value)
    try:
        pa.array([value]).cast(pa.int32())
    except pa.ArrowInvalid:
        return
    assert not is_text(value)


# ------------------------------------------------------------------------------ outputs


@pytest.mark.parametrize("uri", ["s3://b/model=x/out", "/data/Video_ID=5/out", "/data/label=flip"])
def test_an_output_below_a_folder_of_a_column_is_said(uri: str) -> None:
    (said,) = column_notes(uri, {"model", "video_id", "label"})
    assert said.startswith("--out has the folder ")


@pytest.mark.parametrize("uri", ["/data/out", "s3://b/run=3/out", "/data/my-model/x", "/data/model/x=1"])
def test_other_outputs_are_not(uri: str) -> None:
    assert column_notes(uri, {"model", "video_id"}) == []


def test_duckdb_does_replace_a_column_by_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model=x" / "videos"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"model": ["cnn_model"]}), folder / "part-00000.parquet")
    assert duckdb.execute(f"SELECT model FROM '{folder}/*.parquet'").fetchall() == [("x",)]
