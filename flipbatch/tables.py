"""Tables as Parquet files, written whole and atomically, with what made them in their metadata.

Knows Parquet; knows no table's columns.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch import storage


def to_parquet(
    table: pa.Table, metadata: Mapping[str, str] | None = None, rows_per_group: int = 2**20
) -> bytes:
    """Return a table as the bytes of a Parquet file: the same table gives the same bytes.

    Parameters
    ----------
    table : pyarrow.Table
    metadata : mapping of str to str, optional
        Goes to the schema's metadata.
    rows_per_group : int
        Most rows of a row group.
    """
    sink = io.BytesIO()
    if metadata:
        table = table.replace_schema_metadata(dict(metadata))
    pq.write_table(table, sink, row_group_size=rows_per_group, compression="zstd")
    return sink.getvalue()


def write_table(table: pa.Table, uri: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table as a Parquet file, atomically.

    Raises
    ------
    StorageError
    """
    storage.write(uri, to_parquet(table, metadata))


def read_table(uri: str) -> pa.Table:
    """Read a Parquet file that must be there.

    Raises
    ------
    StorageError
    """
    return pq.read_table(io.BytesIO(storage.read_required(uri, "the table")))
