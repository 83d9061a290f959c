"""Facts about `flipbatch.storage.parquet`."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flipbatch.errors import StorageError
from flipbatch.storage.parquet import (
    open_table,
    parse_table,
    read_table,
    to_parquet,
    write_batches,
    write_table,
)

TABLE = pa.table({"video_id": ["a", None], "frame_number": [1, 2]})


def test_a_written_table_is_read_unchanged(tmp_path):
    write_table(TABLE, f"{tmp_path}/t.parquet")
    assert read_table(f"{tmp_path}/t.parquet").equals(TABLE)


def test_a_table_carries_its_metadata(tmp_path):
    write_table(TABLE, f"{tmp_path}/t.parquet", {"flipbatch.run": "abc"})
    assert read_table(f"{tmp_path}/t.parquet").schema.metadata == {b"flipbatch.run": b"abc"}
    assert open_table(f"{tmp_path}/t.parquet").schema_arrow.metadata == {b"flipbatch.run": b"abc"}


def test_equal_tables_give_equal_bytes():
    one = to_parquet(TABLE, {"a": "1", "b": "2"})
    assert one == to_parquet(pa.table(TABLE.to_pydict()), {"a": "1", "b": "2"})


@pytest.mark.parametrize("rows", [0, 1, 70_000, 140_000])
def test_batches_of_rows_are_written_as_one_table(tmp_path, rows):
    table = pa.table({"frame_number": range(rows)})
    batches = table.to_batches(max_chunksize=1000)
    write_batches(batches, table.schema, f"{tmp_path}/t.parquet", {"flipbatch.run": "abc"})
    read = read_table(f"{tmp_path}/t.parquet")
    assert read.equals(table)
    assert read.schema.metadata == {b"flipbatch.run": b"abc"}
    assert open_table(f"{tmp_path}/t.parquet").num_row_groups == 1 + rows // 65_536


def test_a_missing_table_says_so(tmp_path):
    for read in (read_table, open_table):
        with pytest.raises(StorageError, match=r"Can't read the table .*/none: there is no such"):
            read(f"{tmp_path}/none")


@pytest.mark.parametrize("data", [b"", b"uri\na_1.jpg\n", to_parquet(TABLE)[:-10]])
def test_a_damaged_table_says_so(tmp_path, data):
    (tmp_path / "t.parquet").write_bytes(data)
    for read in (read_table, open_table, lambda uri: parse_table(data, uri)):
        with pytest.raises(StorageError, match=f"^The table {tmp_path}/t.parquet is damaged: "):
            read(f"{tmp_path}/t.parquet")
