"""A directory or a hand-written table becomes a manifest: what will be read, one row per frame.

Knows listings, names and tables (`schema.MANIFEST`); opens no frame. Every file that was listed is
either a row of the manifest or a row of the misnamed. `manifest_rows` gives them in no order and some at a
time, however many there are; `load_manifest` gathers and sorts them in memory.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.names import FrameName, Root, Word, default_group, parse_frame, read_folders
from flipbatch.schema import MANIFEST, MISNAMED, MISNAMED_ORDER, ORDER, Label, Split
from flipbatch.storage.listing import ListedFile, list_files, listing_root

_ROWS_AT_A_TIME = 16_384
_WHOLE_NUMBER = re.compile(r"([0-9]{1,18})(\.0*)?")
_WIDE = {pa.string(): pa.large_string()}
_GIVEN = [name for name in MANIFEST.names if name != "version"]
"""Columns of a hand-written table. Nobody but who lists a file knows its version."""

_Row = tuple[ListedFile, FrameName | str]
"""A file, and either the frame that it is or why it is none."""


@dataclass(frozen=True)
class Manifest:
    """What will be read, and what was listed beside it.

    Attributes
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, sorted by (video_id, frame_number, uri).
    misnamed : pyarrow.Table
        `schema.MISNAMED`, sorted by uri.
    """

    frames: pa.Table
    misnamed: pa.Table

    @property
    def videos(self) -> int:
        """Number of videos."""
        return len(self.frames["video_id"].unique())


@dataclass(frozen=True)
class Rows:
    """Some rows of a manifest, and some of what was listed beside it, in no order.

    Attributes
    ----------
    frames : pyarrow.RecordBatch
        `schema.MANIFEST`.
    misnamed : pyarrow.RecordBatch
        `schema.MISNAMED`.
    """

    frames: pa.RecordBatch
    misnamed: pa.RecordBatch


def load_manifest(frames_uri: str | None, manifest_uri: str | None) -> Manifest:
    """Build the manifest of whichever of the two a command was given.

    Raises
    ------
    InputError, StorageError
    """
    return _gather(manifest_rows(frames_uri, manifest_uri), source(frames_uri, manifest_uri))


def source(frames_uri: str | None, manifest_uri: str | None) -> str:
    """Return where frames come from: whichever of the two a command was given, a manifest before frames.

    Raises
    ------
    InputError
        Where it is neither.
    """
    uri = frames_uri if manifest_uri is None else manifest_uri
    if uri is None:
        raise InputError("Neither frames nor a manifest were given: give --frames or --manifest.")
    return storage.normalise(uri)


def manifest_rows(frames_uri: str | None, manifest_uri: str | None) -> Iterator[Rows]:
    """Return the rows of a manifest in no order, at most `_ROWS_AT_A_TIME` at a time.

    There may be no frame among them: `no_frames` is the error for that.

    Raises
    ------
    InputError, StorageError
    """
    uri = source(frames_uri, manifest_uri)
    return _table_rows(uri) if manifest_uri is not None else _listed_rows(uri)


def no_frames(source_uri: str, misnamed: int, first: pa.Table | pa.RecordBatch | None) -> InputError:
    """Return the error that no frame was found.

    Parameters
    ----------
    source_uri : str
    misnamed : int
        Rows of `schema.MISNAMED`.
    first : pyarrow.Table or pyarrow.RecordBatch
        The first of them, sorted; None where there are none.
    """
    if not misnamed or first is None:
        return InputError(f"No files were found below {source_uri}: check the path.")
    row = first.slice(0, 1).to_pylist()[0]
    return InputError(
        f"None of the {misnamed} files below {source_uri} is a frame named VideoID_FrameNumber.jpg: "
        f"{row['uri']} is {row['reason']}."
    )


def _gather(rows: Iterable[Rows], source_uri: str) -> Manifest:
    pieces = list(rows)
    frames = pa.Table.from_batches([piece.frames for piece in pieces], MANIFEST)
    misnamed = pa.Table.from_batches([piece.misnamed for piece in pieces], MISNAMED)
    manifest = Manifest(_sorted(frames, ORDER), _sorted(misnamed, MISNAMED_ORDER))
    if not frames.num_rows:
        raise no_frames(source_uri, misnamed.num_rows, manifest.misnamed)
    return manifest


# ---------------------------------------------------------------------------------------- listing


def list_frames(uri: str) -> Manifest:
    """List the frames below a directory, or those that a glob pattern matches.

    Raises
    ------
    InputError
        Where no file is a frame.
    StorageError
        Where a directory can't be listed.
    """
    return load_manifest(uri, None)


def _listed_rows(uri: str) -> Iterator[Rows]:
    root = listing_root(uri)
    prefix, known = len(storage.join(root, "")), Root.of(root)
    return _in_chunks(_parse_listed(file, prefix, known) for file in list_files(uri))


def _parse_listed(file: ListedFile, prefix: int, root: Root) -> _Row:
    try:
        file.uri.encode()
    except UnicodeEncodeError:
        spelled = file.uri.encode(errors="backslashreplace").decode()
        return ListedFile(spelled, None), "not named in UTF-8, as paths in tables are"
    return file, parse_frame(file.uri[prefix:], root)


def _in_chunks(rows: Iterable[_Row]) -> Iterator[Rows]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _ROWS_AT_A_TIME)):
        named = [(file, name) for file, name in chunk if isinstance(name, FrameName)]
        wrong = [(file.uri, why) for file, why in chunk if isinstance(why, str)]
        misnamed = pa.record_batch([[uri for uri, _ in wrong], [why for _, why in wrong]], schema=MISNAMED)
        yield Rows(_frames_batch(named), misnamed)


def _sorted(table: pa.Table, order: list[tuple[str, str]]) -> pa.Table:
    """Sort in pieces: from some twenty million rows on, `pyarrow.Table.sort_by` fails on columns of 2 GiB."""
    wide = pa.schema([field.with_type(_WIDE.get(field.type, field.type)) for field in table.schema])
    whole = table.cast(wide).combine_chunks()
    rows = pc.sort_indices(whole, sort_keys=order)  # pyright: ignore[reportAttributeAccessIssue]  (made at import)
    starts = range(0, len(rows), _ROWS_AT_A_TIME)
    pieces = (whole.take(rows.slice(start, _ROWS_AT_A_TIME)).cast(table.schema) for start in starts)
    return pa.concat_tables([table.schema.empty_table(), *pieces])


def _frames_batch(rows: list[tuple[ListedFile, FrameName]]) -> pa.RecordBatch:
    columns = [
        [name.video_id for _, name in rows],
        [name.frame_number for _, name in rows],
        [file.uri for file, _ in rows],
        [name.label for _, name in rows],
        [name.split for _, name in rows],
        [file.version for file, _ in rows],
        [name.group or default_group(name.video_id) for _, name in rows],
    ]
    return pa.record_batch(columns, schema=MANIFEST)


# ---------------------------------------------------------------------------------------- tables


def read_manifest(uri: str) -> Manifest:
    """Read a manifest in Parquet, or in CSV with a header.

    Only the column ``uri`` is required; a relative one is below the manifest's own directory. What
    other columns lack is read from the path, as if the directory that all URIs share had been listed.

    Raises
    ------
    InputError
        Where the file is no table, or a column, a label, a split or a frame number can't be read.
    StorageError
        Where the file can't be read.
    """
    return load_manifest(None, uri)


def _table_rows(uri: str) -> Iterator[Rows]:
    table = _read_table(uri)
    if not table.num_rows:
        raise InputError(f"The manifest {uri} has no rows: nothing can be read.")
    return _in_chunks(_complete(uri, table))


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
    return file.read(columns=[name for name in _GIVEN if name in names])  # others may be of any size


def _parse_csv(uri: str, data: bytes) -> pa.Table:
    text = {name: pa.string() for name in _GIVEN}
    options = pa_csv.ConvertOptions(column_types=text, strings_can_be_null=True, null_values=[""])
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    table = pa_csv.read_csv(io.BytesIO(data), parse_options=parse, convert_options=options)
    _check_columns(uri, table.column_names)
    return table


def _check_columns(uri: str, names: list[str]) -> None:
    if "uri" not in names:
        raise InputError(f"The manifest {uri} has no column uri: it has {', '.join(names)}.")
    if twice := [name for name in _GIVEN if names.count(name) > 1]:
        raise InputError(f"The manifest {uri} has more than one column {twice[0]}: leave one.")


def _complete(manifest_uri: str, table: pa.Table) -> Iterator[_Row]:
    base = manifest_uri.rpartition("/")[0]
    text = pa.table({name: _as_text(manifest_uri, table, name) for name in _GIVEN})
    root = _common_directory(_absolute(base, row["uri"]) for row in _cells(text.select(["uri"])))
    prefix, known = len(root) + 1 if root else 0, Root.of(root)
    for row in _cells(text):
        uri = _absolute(base, row["uri"])
        yield ListedFile(uri, None), _override(uri, uri[prefix:], known, row)


def _as_text(manifest_uri: str, table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column as text, null where it is not there."""
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


def _cells(text: pa.Table) -> Iterator[dict[str, str | None]]:
    """Return the rows one by one, None where a cell is null or empty."""
    for batch in text.to_batches(max_chunksize=_ROWS_AT_A_TIME):
        columns = [batch.column(name).to_pylist() for name in text.column_names]
        for row in zip(*columns, strict=True):
            yield {name: cell or None for name, cell in zip(text.column_names, row, strict=True)}


def _absolute(base: str, uri: str | None) -> str:
    if not uri:
        raise InputError("The manifest has a row without uri: fill it in or remove the row.")
    if "\0" in uri:
        raise InputError(f"The manifest's uri {uri!r} holds a zero byte: correct it or remove the row.")
    relative = "://" not in uri and not uri.startswith(("/", "~"))
    return storage.normalise(storage.resolve(base, uri) if relative else uri)


def _common_directory(uris: Iterator[str]) -> str:
    """Return the directory that all URIs lie in or below, without a trailing slash."""
    common = next(uris).split("/")[:-1]
    for uri in uris:
        parts = uri.split("/")[:-1]
        if parts[: len(common)] != common:
            agree = (a == b for a, b in zip(common, parts, strict=False))
            common = common[
                : next((i for i, same in enumerate(agree) if not same), min(len(common), len(parts)))
            ]
    return "/".join(common)


def _override(uri: str, relative_path: str, root: Root, given: dict[str, str | None]) -> FrameName | str:
    """Let what the table says go before what the path says."""
    video_id, number = given["video_id"], given["frame_number"]
    parsed = parse_frame(relative_path, root)
    if isinstance(parsed, str):
        if video_id is None or number is None:
            return parsed
        folders = read_folders(relative_path, root)
        parsed = FrameName(video_id, _number(uri, number), folders.label, folders.split)
    return FrameName(
        video_id=video_id or parsed.video_id,
        frame_number=parsed.frame_number if number is None else _number(uri, number),
        label=_word(Label, "label", uri, given["label"]) or parsed.label,
        split=_word(Split, "split", uri, given["split"]) or parsed.split,
        group=given["group"],
    )


def _number(uri: str, text: str) -> int:
    # Pandas writes whole numbers as 12.0 where another row has none.
    match = _WHOLE_NUMBER.fullmatch(text)
    if match is None:
        raise InputError(
            f"The manifest's frame_number {text!r} of {uri} is no whole number of at most 18 digits."
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


# ---------------------------------------------------------------------------------------- identity


def fingerprint(frames: pa.Table) -> str:
    """Return the SHA-256 of a manifest's rows, as 64 hexadecimal digits: the same rows, the same digits."""
    digest = Fingerprint()
    for batch in frames.to_batches(max_chunksize=_ROWS_AT_A_TIME):
        digest.add(batch)
    return digest.hexdigest()


class Fingerprint:
    """`fingerprint` of rows that come some at a time."""

    def __init__(self, schema: pa.Schema = MANIFEST) -> None:
        self._digest, self._names = hashlib.sha256(), schema.names

    def add(self, rows: pa.RecordBatch) -> None:
        """Add the rows that follow."""
        columns = (rows.column(name).to_pylist() for name in self._names)
        self._digest.update("".join(map(repr, zip(*columns, strict=True))).encode())

    def hexdigest(self) -> str:
        """Return the fingerprint of all rows so far."""
        return self._digest.hexdigest()
