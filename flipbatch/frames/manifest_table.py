"""A table of the user becomes rows of a manifest.

Knows what cells mean, and that the path says what they don't. Knows no file format (`table_text` does) and
opens no frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.frames.names import FrameName, Root, Word, composed, parse_frame, read_folders
from flipbatch.frames.notes import Notes
from flipbatch.frames.row_batches import ROWS_PER_BATCH, NamedFile, Rows, row_batches
from flipbatch.frames.table_text import read_text_table
from flipbatch.frames.table_uris import RepeatedFiles, absolute, common_directory, refuse_windows_paths
from flipbatch.frames.words import label_of, split_of
from flipbatch.schema import Label, Split
from flipbatch.storage.listing import ListedFile

_INTEGER = re.compile(r"([0-9]{1,18})(\.0*)?")  # pandas writes 12.0 where another row has no number
_BOOLEAN = re.compile(r"[01](\.0*)?|true|false|yes|no", re.IGNORECASE)

_Cells = dict[str, str | None]
"""One row of a table: its text by column, None where a cell is null or blank."""


def table_rows(uri: str, notes: Notes) -> Iterator[Rows]:
    """Return the rows of a table, in its order.

    Parameters
    ----------
    uri : str
        A file, or a directory of files; normalised.
    notes : Notes
        Gets what is not used.

    Raises
    ------
    InputError
        If the file is not a table, has no rows, or if a column or a cell can't be read.
    StorageError
    """
    text = read_text_table(uri, notes)
    if not text.num_rows:
        raise InputError(f"The manifest {uri} has no rows: nothing can be read.")
    uris = _absolute_uris(uri.rpartition("/")[0], text)
    refuse_windows_paths(text["uri"], uris)
    text = text.set_column(text.schema.get_field_index("uri"), "uri", uris)
    return row_batches(_named_files(text, RepeatedFiles(_values(uris), notes)))


def _absolute_uris(base: str, text: pa.Table) -> pa.ChunkedArray:
    """Return the column uri with one spelling for each file."""
    pieces = (piece.to_pylist() for piece in _pieces(text.select(["uri"])))
    return pa.chunked_array(
        [pa.array([absolute(base, row["uri"]) for row in rows], pa.string()) for rows in pieces], pa.string()
    )


def _pieces(text: pa.Table) -> list[pa.RecordBatch]:
    return text.to_batches(max_chunksize=ROWS_PER_BATCH)


def _values(column: pa.ChunkedArray) -> Iterator[str]:
    for chunk in column.chunks:
        yield from chunk.to_pylist()


def _cells(text: pa.Table) -> Iterator[_Cells]:
    """Yield the rows one by one."""
    for batch in _pieces(text):
        columns = [batch.column(name).to_pylist() for name in text.column_names]
        for row in zip(*columns, strict=True):
            yield {
                name: cell if cell and not cell.isspace() else None
                for name, cell in zip(text.column_names, row, strict=True)
            }


# ---------------------------------------------------------------------------------------- rows


def _named_files(text: pa.Table, repeated: RepeatedFiles) -> Iterator[NamedFile]:
    root = common_directory(_values(text["uri"]))
    prefix, known = len(root) + 1 if root else 0, Root.of(root)
    for row in _cells(text):
        uri = row["uri"]
        assert uri is not None
        name = _frame_name(uri, uri[prefix:], known, row)
        if isinstance(name, FrameName):
            repeated.check(uri, name.video_id, name.frame_number)
        yield ListedFile(uri, None), name


def _frame_name(uri: str, relative_path: str, root: Root, cells: _Cells) -> FrameName | str:
    """Return the name of a row's frame; the cells of the table go before the path."""
    video_id, number = cells["video_id"], cells["frame_number"]
    parsed = parse_frame(relative_path, root)
    if isinstance(parsed, str):
        if video_id is None or number is None:
            return parsed
        folders = read_folders(relative_path, root)
        parsed = FrameName(video_id, 0, folders.label, folders.split, folders=folders)
    return FrameName(
        video_id=composed(video_id) if video_id else parsed.video_id,
        frame_number=parsed.frame_number if number is None else _frame_number(uri, number),
        label=_word(label_of, Label, uri, cells["label"]) or parsed.label,
        split=_word(split_of, Split, uri, cells["split"]) or parsed.split,
        group=composed(cells["group"]) if cells["group"] else None,
        film=parsed.film,
        folders=parsed.folders,
    )


def _frame_number(uri: str, text: str) -> int:
    match = _INTEGER.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"The manifest's frame_number {text!r} of {uri} is not an integer ≥ 0 of at most 18 digits."
        )
    return int(match[1])


def _word(
    meaning: Callable[[str], Word | None], words: type[Word], uri: str, value: str | None
) -> Word | None:
    if value is None:
        return None
    word = meaning(value)
    if word is None:
        name, allowed = words.__name__.lower(), ", ".join(words)
        hint = f" (tables differ in what {value} means)" if _BOOLEAN.fullmatch(value.strip()) else ""
        raise InputError(
            f"The manifest's {name} {value!r} of {uri} is none of {allowed}{hint}: write one of them."
        )
    return word
