"""The files of one shard of frames are written; those that are there stay.

A file is written atomically under a name that depends on its frame alone, so a file that is there is whole.
Knows one shard. Does not know processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flipbatch import storage
from flipbatch.extraction.pictures import Row, file_bytes, file_name
from flipbatch.frames.rejection import Rejection
from flipbatch.scoring.manifest_parts import read_shard
from flipbatch.scoring.shards import Plan


@dataclass(frozen=True)
class Extraction:
    """What the shards of a run are extracted with.

    Attributes
    ----------
    manifest : str
        The folder of the manifest's parts.
    plan : Plan
    out : str
        Where files are written.
    quality : int
        Of JPEGs, 1 to 100.
    """

    manifest: str
    plan: Plan
    out: str
    quality: int


@dataclass(frozen=True)
class Extracted:
    """What became of the frames of some shards.

    Attributes
    ----------
    frames, written : int
        All frames, and those that were written now.
    failures : list of dict
        Rows of `schema.FAILURES`.
    """

    frames: int = 0
    written: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def __add__(self, other: Extracted) -> Extracted:
        return Extracted(
            self.frames + other.frames, self.written + other.written, self.failures + other.failures
        )


def extract_shard(extraction: Extraction, shard: int) -> Extracted:
    """Write the files of a shard that are not there yet.

    Raises
    ------
    InputError, StorageError
    """
    rows = read_shard(extraction.manifest, extraction.plan, shard).to_pylist()
    missing = list(_missing(extraction.out, rows))
    failures = [failure for row, path in missing if (failure := _write(row, path, extraction.quality))]
    return Extracted(len(rows), len(missing) - len(failures), failures)


def _missing(out: str, rows: list[Row]) -> Iterator[tuple[Row, str]]:
    there: dict[str, set[str]] = {}
    for row in rows:
        path = storage.join(out, file_name(row))
        folder, _, name = path.rpartition("/")
        if folder not in there:
            there[folder] = set(storage.names_in(folder))
        if name not in there[folder]:
            yield row, path


def _write(row: Row, path: str, quality: int) -> dict[str, str] | None:
    data = file_bytes(row, quality)
    if isinstance(data, Rejection):
        return {"uri": row["uri"], "status": str(data.status), "error": data.error}
    storage.write(path, data)
    return None
