"""Tables as Parquet files: written whole and atomically, read whole or some row groups at a time.

This is the one place that converts between tables and bytes. Knows Parquet. Does not know columns.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.storage.ranges import RangeFile
from flipbatch.storage.reading import open_ranges

ROWS_AT_A_TIME = 65_536

# ---------------------------------------------------------------------------------------- write


class ParquetFileWriter:
    """A Parquet file that grows by tables in memory; the same tables give the same bytes.

    Parameters
    ----------
    schema : pyarrow.Schema
    metadata : mapping of str to str, optional
        Becomes the schema's metadata.
    """

    def __init__(self, schema: pa.Schema, metadata: Mapping[str, str] | None = None) -> None:
        self._sink = io.BytesIO()
        own = schema.with_metadata(dict(metadata)) if metadata else schema
        self._writer = pq.ParquetWriter(self._sink, own, compression="zstd")

    def write(self, table: pa.Table, row_group_size: int | None = None) -> None:
        """Append a table as row groups of at most `row_group_size` rows."""
        self._writer.write_table(table, row_group_size=row_group_size)

    def close(self) -> bytes:
        """Finish the file and return its bytes."""
        self._writer.close()
        return self._sink.getvalue()

    def save(self, uri: str) -> None:
        """Finish the file and write it, atomically.

        Raises
        ------
        StorageError
        """
        storage.write(uri, self.close())


def to_parquet(table: pa.Table, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a table as the bytes of a Parquet file: equal tables give equal bytes.

    Parameters
    ----------
    table : pyarrow.Table
    metadata : mapping of str to str, optional
        Becomes the schema's metadata.
    """
    writer = ParquetFileWriter(table.schema, metadata)
    writer.write(table)
    return writer.close()


def write_table(table: pa.Table, uri: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table as a Parquet file, atomically.

    Raises
    ------
    StorageError
    """
    storage.write(uri, to_parquet(table, metadata))


def create_table(table: pa.Table, uri: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table where there is no file; leave an existing file alone.

    Raises
    ------
    StorageError
    """
    storage.create(uri, to_parquet(table, metadata))


def write_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, uri: str, metadata: Mapping[str, str]
) -> None:
    """Write batches of rows as one Parquet file, atomically; only its bytes are in memory.

    Raises
    ------
    StorageError
    """
    writer = ParquetFileWriter(schema, metadata)
    for table in _gathered(batches, schema):
        writer.write(table)
    writer.save(uri)


def _gathered(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather batches into tables of at least `ROWS_AT_A_TIME` rows, the last one excepted."""
    rows: list[pa.RecordBatch] = []
    for batch in batches:
        rows.append(batch)
        if sum(map(len, rows)) >= ROWS_AT_A_TIME:
            yield pa.Table.from_batches(rows, schema)
            rows = []
    yield pa.Table.from_batches(rows, schema)


# ---------------------------------------------------------------------------------------- read


def read_table(uri: str) -> pa.Table:
    """Read a Parquet file that must be there.

    Raises
    ------
    StorageError
    """
    return parse_table(storage.read_required(uri, "the table"), uri)


def parse_table(data: bytes, uri: str) -> pa.Table:
    """Return the table in the bytes of a Parquet file.

    Raises
    ------
    StorageError
        The bytes are damaged; the message says that they came from `uri`.
    """
    with undamaged(uri):
        return pq.read_table(io.BytesIO(data))


class OpenTable(pq.ParquetFile):
    """A Parquet file of which only the footer and the requested row groups and columns are read.

    Remote column chunks that are near each other are fetched by one request. All methods raise `StorageError`
    if the file is missing or damaged.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._file = open_ranges(uri, "the table")
        with undamaged(uri):
            # Arrow's own buffer would keep the bytes of every row group until the last.
            super().__init__(self._file, pre_buffer=False)

    def read_row_group(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, i: int, columns: Sequence[str] | None = None, **options: Any
    ) -> pa.Table:
        """Return a row group as a table, or some of its columns."""
        with self._held([i], columns):
            return super().read_row_group(i, columns=columns, **options)

    def read(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, columns: Sequence[str] | None = None, **options: Any
    ) -> pa.Table:
        """Return the whole table, or some of its columns."""
        with self._held(range(self.num_row_groups), columns):
            return super().read(columns=columns, **options)

    def iter_batches(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        batch_size: int = ROWS_AT_A_TIME,
        row_groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        **options: Any,
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches of at most `batch_size` rows; the bytes of one row group are in memory at a time."""
        for group in range(self.num_row_groups) if row_groups is None else row_groups:
            with self._held([group], columns):
                yield from super().iter_batches(batch_size, row_groups=[group], columns=columns, **options)

    @contextmanager
    def _held(self, groups: Iterable[int], columns: Sequence[str] | None) -> Iterator[None]:
        with undamaged(self._uri):
            if not isinstance(self._file, RangeFile):
                yield
                return
            self._file.hold(self._byte_ranges(groups, columns))
            try:
                yield
            finally:
                self._file.hold([])

    def _byte_ranges(self, groups: Iterable[int], columns: Sequence[str] | None) -> Iterator[tuple[int, int]]:
        """Yield where column chunks start and end in the file."""
        for group in map(self.metadata.row_group, groups):
            for chunk in map(group.column, range(group.num_columns)):
                if columns is None or chunk.path_in_schema.partition(".")[0] in columns:
                    data = chunk.data_page_offset
                    start = min(chunk.dictionary_page_offset or data, data)
                    yield start, start + chunk.total_compressed_size


def open_table(uri: str) -> OpenTable:
    """Open a Parquet file that must be there, to read some of its row groups.

    Raises
    ------
    StorageError
        The file is missing or damaged; also by later reads.
    """
    return OpenTable(uri)


@contextmanager
def undamaged(uri: str) -> Iterator[None]:
    """Turn Arrow's errors about the content of a file into a `StorageError` that says the table is damaged.

    Raises
    ------
    StorageError
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        # An error of the operating system has a number; Arrow's about the content have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(f"Can't read the table {uri}: {storage.reason(error)}.") from error
        raise StorageError(f"The table {uri} is damaged: {storage.reason(error)}.") from error
