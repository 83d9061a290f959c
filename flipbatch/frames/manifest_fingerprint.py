"""The fingerprint of a manifest: equal rows in equal order have the same, any other rows have another.

Knows rows of a known schema. Does not know storage or runs.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute

from flipbatch.schema import FILM_FACTS, MANIFEST

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none

_HASHED = pa.schema([field for field in MANIFEST if field.name not in FILM_FACTS])
"""Their values follow from the version of a film and from the number of a frame."""

_ROWS_AT_ONCE = 16_384
"""A part of the fingerprint: rows are hashed in groups of this size."""


def manifest_fingerprint(frames: pa.Table) -> str:
    """Return the SHA-256 of a manifest's rows, as 64 hexadecimal digits.

    Parameters
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, sorted. How the table is chunked does not matter.
    """
    fingerprint = ManifestFingerprint()
    for batch in frames.to_batches():
        fingerprint.add(batch)
    return fingerprint.hexdigest()


class ManifestFingerprint:
    """The `manifest_fingerprint` of rows that come in batches of any size.

    Hashed are, for each group of rows and each column, the length of each value, -1 for null, and all values;
    of integers the values alone. This takes a tenth of the time of hashing row by row.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the rows: strings, and integers that are never null. All of its columns count.
    """

    def __init__(self, schema: pa.Schema = _HASHED) -> None:
        self._digest, self._names = hashlib.sha256(), schema.names
        self._pending = pa.RecordBatch.from_pylist([], schema)

    def add(self, rows: pa.RecordBatch) -> None:
        """Add the next rows."""
        rows = pa.concat_batches([self._pending, rows.select(self._names)])
        whole = rows.num_rows - rows.num_rows % _ROWS_AT_ONCE
        for start in range(0, whole, _ROWS_AT_ONCE):
            _hash(self._digest, rows.slice(start, _ROWS_AT_ONCE))
        self._pending = rows.slice(whole)

    def hexdigest(self) -> str:
        """Return the fingerprint of all rows so far."""
        digest = self._digest.copy()
        _hash(digest, self._pending)
        return digest.hexdigest()


def _hash(digest: Any, rows: pa.RecordBatch) -> None:
    for column in rows.columns:
        if pa.types.is_integer(column.type):
            digest.update(column.to_numpy())
            continue
        digest.update(pc.fill_null(pc.binary_length(column), -1).to_numpy())
        digest.update(pc.binary_join(_as_list(column), "").buffers()[2] or b"")


def _as_list(column: pa.StringArray) -> pa.ListArray:
    """Return a list of one row that has all values."""
    return pa.ListArray.from_arrays(pa.array([0, len(column)], pa.int32()), pc.fill_null(column, ""))
