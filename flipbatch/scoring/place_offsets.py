"""The offsets of a run's places: a table that is written before the first shard and only read from then on.

Knows the table and its summary. Does not know how offsets are estimated, executors or pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.frames.places import row_places
from flipbatch.storage.parquet import parse_table

MOST_LISTED = 20
"""Most places whose offsets the summary lists one by one."""


@dataclass(frozen=True)
class Adaptation:
    """A run's offsets, as ``run.json`` names them.

    Attributes
    ----------
    uri : str
        The table, `schema.ADAPTATION`.
    digest : str
        SHA-256 of the file, 64 hexadecimal digits.
    summary : mapping
        Of `summary`.
    """

    uri: str
    digest: str
    summary: Mapping[str, Any]


class PlaceOffsets:
    """The offset of each place, by model.

    Parameters
    ----------
    table : pyarrow.Table
        `schema.ADAPTATION`.
    """

    def __init__(self, table: pa.Table) -> None:
        columns = (table[name].to_pylist() for name in ("model", "place", "offset"))
        self._offsets = {(model, place): offset for model, place, offset in zip(*columns, strict=True)}

    def of_rows(self, models: Iterable[str], rows: pa.Table) -> dict[str, npt.NDArray[np.float64]]:
        """Return the offset of each row of a manifest, (N,), float64, by model."""
        places = row_places(rows)
        return {
            model: np.array([self._offsets[model, name] for name in places.names])[places.codes]
            for model in models
        }


def read_offsets(adaptation: Adaptation) -> PlaceOffsets:
    """Read a run's offsets, once a process.

    Raises
    ------
    OutputError
        If the file is not the one that the run was started with.
    StorageError
    """
    return _read_offsets(adaptation.uri, adaptation.digest)


@lru_cache(maxsize=2)
def _read_offsets(uri: str, digest: str) -> PlaceOffsets:
    return PlaceOffsets(parse_table(read_bytes(uri, digest), uri))


def read_bytes(uri: str, digest: str) -> bytes:
    """Read a run's file of offsets.

    Raises
    ------
    OutputError
        If its digest is another.
    StorageError
    """
    data = storage.read_required(uri, "the offsets of the places")
    if digest_of(data) != digest:
        raise OutputError(
            f"{uri} is damaged: it is not the file that the run started with. Choose another --out."
        )
    return data


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file of offsets, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def summary(table: pa.Table, frames_per_place: int) -> dict[str, Any]:
    """Sum up a table of offsets for ``run.json``.

    Parameters
    ----------
    table : pyarrow.Table
        `schema.ADAPTATION`, at least one row.
    frames_per_place : int
        Most frames that are sampled of a place.

    Returns
    -------
    dict
        ``frames_per_place``, ``places``, ``frames`` and ``models``, as `schema.ADAPTATION` says.
    """
    offsets = dict[str, dict[str, float]]()
    columns = (table[name].to_pylist() for name in ("model", "place", "offset"))
    for model, place, offset in zip(*columns, strict=True):
        offsets.setdefault(model, {})[place] = offset
    places = table.num_rows // len(offsets)
    return {
        "frames_per_place": frames_per_place,
        "places": places,
        "frames": sum(table["sampled"].to_pylist()) // len(offsets),
        "models": {model: _range(of_place) for model, of_place in offsets.items()},
    }


def _range(offsets: Mapping[str, float]) -> dict[str, Any]:
    values = list(offsets.values())
    found = {"smallest": min(values), "median": median(values), "largest": max(values)}
    return found | ({"offsets": dict(offsets)} if len(values) <= MOST_LISTED else {})
