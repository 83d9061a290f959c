"""Tables as Parquet files, written whole and atomically, with what made them in their metadata.

Knows Parquet; knows no table's columns.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import StorageError

ROWS_AT_A_TIME = 65_536


def to_parquet(table: pa.Table, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a table as the bytes of a Parquet file: the same table gives the same bytes.

    Parameters
    ----------
    table : pyarrow.Table
    metadata : mapping of str to str, optional
        Goes to the schema's metadata.
    """
    sink = io.BytesIO()
    if metadata:
        table = table.replace_schema_metadata(dict(metadata))
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def write_table(table: pa.Table, uri: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table as a Parquet file, atomically.

    Raises
    ------
    StorageError
    """
    storage.write(uri, to_parquet(table, metadata))


def create_table(table: pa.Table, uri: str, metadata: Mapping[str, str] | None = None) -> None:
    """Do as `write_table` does where there is no such file, and nothing where there is.

    Raises
    ------
    StorageError
    """
    storage.create(uri, to_parquet(table, metadata))


def write_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, uri: str, metadata: Mapping[str, str]
) -> None:
    """Write rows that come some at a time as a Parquet file, atomically; only its bytes are held.

    Raises
    ------
    StorageError
    """
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema.with_metadata(dict(metadata)), compression="zstd") as writer:
        for table in _gathered(batches, schema):
            writer.write_table(table)
    storage.write(uri, sink.getvalue())


def _gathered(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather batches into tables of `ROWS_AT_A_TIME` or some more."""
    rows: list[pa.RecordBatch] = []
    for batch in batches:
        rows.append(batch)
        if sum(map(len, rows)) >= ROWS_AT_A_TIME:
            yield pa.Table.from_batches(rows, schema)
            rows = []
    yield pa.Table.from_batches(rows, schema)


def read_table(uri: str) -> pa.Table:
    """Read a Parquet file that must be there.

    Raises
    ------
    StorageError
    """
    return parse_table(storage.read_required(uri, "the table"), uri)


def parse_table(data: bytes, uri: str) -> pa.Table:
    """Return the table that the bytes of a Parquet file hold.

    Raises
    ------
    StorageError
        Where they are damaged; its message says that they came from `uri`.
    """
    with undamaged(uri):
        return pq.read_table(io.BytesIO(data))


def open_table(uri: str) -> pq.ParquetFile:
    """Open a Parquet file that must be there, to read some of its row groups.

    Raises
    ------
    StorageError
    """
    data = storage.read_required(uri, "the table")
    with undamaged(uri):
        return pq.ParquetFile(io.BytesIO(data))


@contextmanager
def undamaged(uri: str) -> Iterator[None]:
    """Tell of what Arrow finds wrong with a file as of a damaged table.

    Raises
    ------
    StorageError
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise StorageError(f"The table {uri} is damaged: {storage.reason(error)}.") from error
