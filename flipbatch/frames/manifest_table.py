"""A table of the user, Parquet or CSV, becomes rows of a manifest.

Knows the columns that such a table may have, and what its paths say where a cell is missing. Opens no frame.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.names import FrameName, Root, Word, parse_frame, read_folders
from flipbatch.frames.notes import Notes
from flipbatch.frames.row_batches import ROWS_PER_BATCH, NamedFile, Rows, row_batches
from flipbatch.schema import MANIFEST, Label, Split
from flipbatch.storage.listing import ListedFile

COLUMNS = [name for name in MANIFEST.names if name != "version"]
"""Columns that a table may have; only ``uri`` is required. Only a listing knows the version of a file."""

_INTEGER = re.compile(r"([0-9]{1,18})(\.0*)?")  # Pandas writes 12.0 where another row has no number

_Cells = dict[str, str | None]
"""One row of a table: its text by column, None where a cell is null or empty."""


def table_rows(uri: str, notes: Notes) -> Iterator[Rows]:
    """Return the rows of a table, in its order.

    Raises
    ------
    InputError
        Where the file is not a table, has no rows, or where a column or a cell can't be read.
    StorageError
    """
    table = _read_table(uri)
    if not table.num_rows:
        raise InputError(f"The manifest {uri} has no rows: nothing can be read.")
    return row_batches(_named_files(uri, table))


# ---------------------------------------------------------------------------------------- columns


def _read_table(uri: str) -> pa.Table:
    data = storage.read_required(uri, "the manifest")
    try:
        return _parse_parquet(uri, data) if data[:4] == b"PAR1" else _parse_csv(uri, data)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"The manifest {uri} is neither Parquet nor CSV with a header: {why}.") from error


def _parse_parquet(uri: str, data: bytes) -> pa.Table:
    file = pq.ParquetFile(io.BytesIO(data))
    names = file.schema_arrow.names
    _check_columns(uri, names)
    return file.read(columns=[name for name in COLUMNS if name in names])  # others may be of any size


def _parse_csv(uri: str, data: bytes) -> pa.Table:
    text = {name: pa.string() for name in COLUMNS}
    options = pa_csv.ConvertOptions(column_types=text, strings_can_be_null=True, null_values=[""])
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    table = pa_csv.read_csv(io.BytesIO(data), parse_options=parse, convert_options=options)
    _check_columns(uri, table.column_names)
    return table


def _check_columns(uri: str, names: list[str]) -> None:
    if "uri" not in names:
        raise InputError(f"The manifest {uri} has no column uri: it has {', '.join(names)}.")
    if repeated := [name for name in COLUMNS if names.count(name) > 1]:
        raise InputError(f"The manifest {uri} has more than one column {repeated[0]}: leave one.")


def _as_text(manifest_uri: str, table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column as text, all null where the table lacks it."""
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    try:
        text = table[name].cast(pa.string())
        text.validate(full=True)
        return text
    except pa.ArrowException:
        kind = table.schema.field(name).type
        raise InputError(
            f"The manifest {manifest_uri} has a column {name} of type {kind}: it must be text in UTF-8 or "
            "numbers."
        ) from None


def _cells(text: pa.Table) -> Iterator[_Cells]:
    """Yield the rows one by one."""
    for batch in text.to_batches(max_chunksize=ROWS_PER_BATCH):
        columns = [batch.column(name).to_pylist() for name in text.column_names]
        for row in zip(*columns, strict=True):
            yield {name: cell or None for name, cell in zip(text.column_names, row, strict=True)}


# ---------------------------------------------------------------------------------------- rows


def _named_files(manifest_uri: str, table: pa.Table) -> Iterator[NamedFile]:
    base = manifest_uri.rpartition("/")[0]
    text = pa.table({name: _as_text(manifest_uri, table, name) for name in COLUMNS})
    root = _common_directory(_absolute(base, row["uri"]) for row in _cells(text.select(["uri"])))
    prefix, known = len(root) + 1 if root else 0, Root.of(root)
    for row in _cells(text):
        uri = _absolute(base, row["uri"])
        yield ListedFile(uri, None), _frame_name(uri, uri[prefix:], known, row)


def _absolute(base: str, uri: str | None) -> str:
    if not uri:
        raise InputError("The manifest has a row without uri: fill it in or remove the row.")
    if "\0" in uri:
        raise InputError(f"The manifest's uri {uri!r} holds a zero byte: correct it or remove the row.")
    relative = "://" not in uri and not uri.startswith(("/", "~"))
    return storage.normalise(storage.resolve(base, uri) if relative else uri)


def _common_directory(uris: Iterator[str]) -> str:
    """Return the longest directory that holds all URIs, without a trailing slash."""
    common = next(uris).split("/")[:-1]
    for uri in uris:
        parts = uri.split("/")[:-1]
        if parts[: len(common)] != common:
            common = common[: _equal_parts(common, parts)]
    return "/".join(common)


def _equal_parts(one: list[str], other: list[str]) -> int:
    """Return how many components at the start of two paths are equal."""
    equal = [a == b for a, b in zip(one, other, strict=False)]
    return equal.index(False) if False in equal else len(equal)


def _frame_name(uri: str, relative_path: str, root: Root, cells: _Cells) -> FrameName | str:
    """Return the name of a row's frame; the cells of the table go before the path."""
    video_id, number = cells["video_id"], cells["frame_number"]
    parsed = parse_frame(relative_path, root)
    if isinstance(parsed, str):
        if video_id is None or number is None:
            return parsed
        folders = read_folders(relative_path, root)
        parsed = FrameName(video_id, _frame_number(uri, number), folders.label, folders.split)
    return FrameName(
        video_id=video_id or parsed.video_id,
        frame_number=parsed.frame_number if number is None else _frame_number(uri, number),
        label=_word(Label, "label", uri, cells["label"]) or parsed.label,
        split=_word(Split, "split", uri, cells["split"]) or parsed.split,
        group=cells["group"],
    )


def _frame_number(uri: str, text: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise InputError(
            f"The manifest's frame_number {text!r} of {uri} is not an integer ≥ 0 of at most 18 digits."
        )
    return int(match[1])


def _word(words: type[Word], name: str, uri: str, value: str | None) -> Word | None:
    if value is None:
        return None
    try:
        return words(value)
    except ValueError:
        allowed = ", ".join(words)
        raise InputError(f"The manifest's {name} {value!r} of {uri} is none of {allowed}.") from None
