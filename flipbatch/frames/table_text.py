"""Tables, Parquet or CSV, become text: the columns of a manifest, one text or null per cell.

Knows both formats; knows no words for empty cells (`table_cells` does), no paths, no labels and no rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.notes import Notes
from flipbatch.frames.table_cells import clean_cells
from flipbatch.frames.table_columns import COLUMNS, match_columns, note_unused
from flipbatch.frames.table_formats import refuse_other_formats
from flipbatch.frames.table_parts import TablePart, table_parts
from flipbatch.frames.words import normal

_DELIMITERS = ",;\t|"
_HEADER_BYTES = 65_536  # a longer header has no place in a manifest
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class _Read:
    """What was read of one file: its columns by our names, in their own types, and the others' names."""

    uri: str
    columns: dict[str, pa.ChunkedArray]
    unused: list[str]
    padded: bool

    def kinds(self) -> dict[str, str]:
        """Return what kind of value each column holds, without those that are all null."""
        kinds = {name: _kind(column.type) for name, column in self.columns.items()}
        return {name: kind for name, kind in kinds.items() if kind}


def read_text_table(uri: str, notes: Notes) -> pa.Table:
    """Read a table, or a directory of tables, as text.

    Parameters
    ----------
    uri : str
    notes : Notes
        Gets the columns, files and words in cells that are not used.

    Returns
    -------
    pyarrow.Table
        All of `table_columns.COLUMNS`, each a string column, all null where the table lacks it.

    Raises
    ------
    InputError
        If a file is no table; if columns can't be read, or differ from file to file.
    StorageError
    """
    pieces: list[pa.Table] = []
    unused: dict[str, None] = {}
    first: _Read | None = None
    for part in table_parts(uri, notes):
        read = _read_part(part)
        first = first or read
        _require_same_columns(uri, first, read)
        unused |= dict.fromkeys(read.unused)
        pieces.append(_as_text(read, notes))
    note_unused(notes, list(unused))
    return pa.concat_tables(pieces)


def _require_same_columns(uri: str, first: _Read, other: _Read) -> None:
    for name in COLUMNS:
        if (name in first.columns) != (name in other.columns):
            has, lacks = (first, other) if name in first.columns else (other, first)
            raise InputError(
                f"The files of the manifest {uri} differ: {has.uri} has a column {name}, {lacks.uri} has "
                "none. Write them with the same columns."
            )
        kinds = [kinds[name] for kinds in (first.kinds(), other.kinds()) if name in kinds]
        if len(set(kinds)) > 1:
            raise InputError(
                f"The files of the manifest {uri} differ: the column {name} holds {kinds[0]} in {first.uri} "
                f"and {kinds[1]} in {other.uri}. Write them with the same types."
            )


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_null(kind):
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "numbers"
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "text" if pa.types.is_string(value) or pa.types.is_large_string(value) else str(value)


# ---------------------------------------------------------------------------------------- files


def _read_part(part: TablePart) -> _Read:
    data = storage.read_required(part.uri, "the manifest")
    refuse_other_formats(part.uri, data)
    try:
        return _read_parquet(part, data) if data[:4] == b"PAR1" else _read_csv(part, data)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"The manifest {part.uri} is neither Parquet nor CSV with a header: {why}."
        ) from error


def _read_parquet(part: TablePart, data: bytes) -> _Read:
    file = pq.ParquetFile(io.BytesIO(data))
    names = file.schema_arrow.names
    matched = match_columns(part.uri, names, list(part.folders))
    own = [name for name in matched.values() if name not in part.folders]
    return _matched(part, matched, names, file.read(columns=own))  # others may be of any size


def _read_csv(part: TablePart, data: bytes) -> _Read:
    if data[:2] in _UTF_16:
        data = data.decode("utf-16").encode()
    delimiter, header = _header(data)
    columns = {normal(name) for name in COLUMNS}
    text = {name: pa.string() for name in header if normal(name) in columns}
    convert = pa_csv.ConvertOptions(column_types=text, strings_can_be_null=True, null_values=[""])
    parse = pa_csv.ParseOptions(newlines_in_values=True, delimiter=delimiter)
    try:
        table = pa_csv.read_csv(io.BytesIO(data), parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid:  # a slower reader knows the number of the row
        slow = pa_csv.ReadOptions(use_threads=False)
        table = pa_csv.read_csv(io.BytesIO(data), slow, parse_options=parse, convert_options=convert)
    names = table.column_names
    return _matched(part, match_columns(part.uri, names, list(part.folders)), names, table)


def _header(data: bytes) -> tuple[str, list[str]]:
    """Return the delimiter by which a column uri is found, else a comma, and the names of the columns."""
    text = data[:_HEADER_BYTES].decode("utf-8-sig", errors="replace")
    for delimiter in (*_DELIMITERS, _DELIMITERS[0]):
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        if "uri" in map(normal, header):
            return delimiter, header
    return _DELIMITERS[0], []


def _matched(part: TablePart, matched: dict[str, str], names: Sequence[str], table: pa.Table) -> _Read:
    """Return the columns of a file by our names, with those of its hive-style folders."""
    every = [*names, *part.folders]
    columns = {
        name: table[own] if own in names else _constant(part.folders[own], table.num_rows)
        for name, own in matched.items()
    }
    unused = [name for name in every if name not in matched.values()]
    return _Read(part.uri, columns, unused, any(name != name.strip() for name in every))


def _constant(value: str | None, rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(rows) if value is None else pa.repeat(value, rows)])


# ---------------------------------------------------------------------------------------- text


def _as_text(read: _Read, notes: Notes) -> pa.Table:
    rows = len(read.columns["uri"])
    texts = {
        name: _text(read, name, notes)
        if name in read.columns
        else pa.chunked_array([pa.nulls(rows, pa.string())])
        for name in COLUMNS
    }
    return pa.table(texts)


def _text(read: _Read, name: str, notes: Notes) -> pa.ChunkedArray:
    """Return a column as text; blanks around the cells of uri go only if the names have such, too."""
    column = read.columns[name]
    try:
        if pa.types.is_floating(column.type):
            column = _nan_is_null(column)
            _require_exact(read.uri, name, column)
        text = column.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowException:
        raise InputError(
            f"The manifest {read.uri} has a column {name} of type {column.type}: it must be text in UTF-8 or "
            "numbers."
        ) from None
    if name != "uri":
        return clean_cells(read.uri, name, text, notes)
    return pc.utf8_trim_whitespace(text) if read.padded else text  # pyright: ignore[reportAttributeAccessIssue]


def _nan_is_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    missing = pc.is_nan(column)  # pyright: ignore[reportAttributeAccessIssue]
    return pc.if_else(missing, pa.scalar(None, column.type), column)  # pyright: ignore[reportAttributeAccessIssue]


def _require_exact(uri: str, name: str, column: pa.ChunkedArray) -> None:
    """Refuse integers so large that floats of this type leave some out: two may have become one."""
    limit = 2.0 ** {16: 11, 32: 24, 64: 53}[column.type.bit_width]
    largest = pc.max(pc.abs(column)).as_py()  # pyright: ignore[reportAttributeAccessIssue]
    if largest is not None and largest > limit:
        raise InputError(
            f"The manifest {uri} has a column {name} of type {column.type} with numbers above "
            f"{limit:.0f}, whose last digits may be lost: write integers or text."
        )
