"""The sample of a first pass: some frames of each place, as a manifest of its own.

Knows the parts of a manifest. Memory grows with the number of places, not of frames. The sample depends on
the manifest alone. It has no labels: nothing that is estimated from it can depend on one. Does not know
models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch.frames.places import RowPlaces, row_places
from flipbatch.schema import MANIFEST
from flipbatch.scoring.manifest_parts import part_path, write_parts
from flipbatch.scoring.shards import Plan, cut_manifest, plan_of
from flipbatch.storage.parquet import open_table

FRAMES_PER_PLACE = 64
"""Most frames of a place in the sample. More would hardly count: `AdaptationPrior.most_frames` is 40."""


def count_places(folder: str, plan: Plan) -> Counter[str]:
    """Return how many frames of a manifest each place has.

    Parameters
    ----------
    folder : str
        Of the manifest's parts.
    plan : Plan

    Raises
    ------
    StorageError
    """
    counts = Counter[str]()
    for rows in _batches(folder, plan, ["video_id", "group"]):
        places = row_places(rows)
        counts.update(dict(zip(places.names, np.bincount(places.codes).tolist(), strict=True)))
    return counts


def sample_size(counts: Mapping[str, int]) -> int:
    """Return how many frames a sample has, of the number of frames of each place."""
    return sum(min(count, FRAMES_PER_PLACE) for count in counts.values())


def write_sample(
    folder: str, plan: Plan, counts: Mapping[str, int], to_folder: str, metadata: dict[str, str]
) -> Plan:
    """Write the sample of a manifest to a folder, as parts of a manifest.

    Its ``group`` is the frame's place; ``label`` and ``split`` are null.

    Parameters
    ----------
    folder : str
        Of the manifest's parts.
    plan : Plan
        Of the manifest.
    counts : mapping of str to int
        `count_places` of the manifest.
    to_folder : str
    metadata : dict of str to str

    Returns
    -------
    Plan
        Of the sample.

    Raises
    ------
    StorageError
    """
    sampled = _sampled(_batches(folder, plan, MANIFEST.names), counts)
    groups = cut_manifest(sampled, sample_size(counts))
    return plan_of(write_parts(groups, to_folder, metadata))


def _batches(folder: str, plan: Plan, columns: list[str]) -> Iterator[pa.Table]:
    for part in plan.parts:
        for batch in open_table(part_path(folder, part)).iter_batches(columns=columns):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _sampled(manifest: Iterable[pa.Table], counts: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
    """Yield the sampled rows: of n rows, those at which the integer part of row x most / n rises."""
    seen = Counter[str]()
    for rows in manifest:
        places = row_places(rows)
        number, total = (_of_rows(places, of_place) for of_place in (seen, counts))
        number += _occurrences(places.codes)
        most = np.minimum(total, FRAMES_PER_PLACE)
        chosen = (number + 1) * most // total > number * most // total
        seen.update(dict(zip(places.names, np.bincount(places.codes).tolist(), strict=True)))
        yield from _without_labels(rows, places).filter(pa.array(chosen)).combine_chunks().to_batches()


def _of_rows(places: RowPlaces, of_place: Mapping[str, int]) -> npt.NDArray[np.int64]:
    return np.array([of_place[name] for name in places.names], np.int64)[places.codes]


def _occurrences(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each row how many rows before it have its code."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    numbers = np.empty(len(codes), np.int64)
    numbers[order] = np.arange(len(codes)) - starts
    return numbers


def _without_labels(rows: pa.Table, places: RowPlaces) -> pa.Table:
    nothing = pa.nulls(rows.num_rows, pa.string())
    group: Any = pa.array(places.names, pa.string()).take(pa.array(places.codes))
    columns = {name: rows[name] for name in MANIFEST.names} | {"label": nothing, "split": nothing}
    return pa.table(columns | {"group": group}, schema=MANIFEST)
