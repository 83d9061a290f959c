"""The fingerprint of a manifest: equal rows in equal order have the same, any other rows have another.

Knows rows of a known schema. Does not know storage or runs.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from flipbatch.frames.row_batches import ROWS_PER_BATCH
from flipbatch.schema import MANIFEST


def manifest_fingerprint(frames: pa.Table) -> str:
    """Return the SHA-256 of a manifest's rows, as 64 hexadecimal digits.

    Parameters
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, sorted. How the table is chunked does not matter.
    """
    fingerprint = ManifestFingerprint()
    for batch in frames.to_batches(max_chunksize=ROWS_PER_BATCH):
        fingerprint.add(batch)
    return fingerprint.hexdigest()


class ManifestFingerprint:
    """The `manifest_fingerprint` of rows that come in batches.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the rows; all of its columns count.
    """

    def __init__(self, schema: pa.Schema = MANIFEST) -> None:
        self._digest, self._names = hashlib.sha256(), schema.names

    def add(self, rows: pa.RecordBatch) -> None:
        """Add the next rows."""
        columns = (rows.column(name).to_pylist() for name in self._names)
        self._digest.update("".join(map(repr, zip(*columns, strict=True))).encode())

    def hexdigest(self) -> str:
        """Return the fingerprint of all rows so far."""
        return self._digest.hexdigest()
