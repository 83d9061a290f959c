"""The files of a run's manifest: a folder of parts.

Knows Parquet, and in which part and row group the rows of a shard are. Does not know how a manifest is
divided, frames, models or results.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby

import numpy as np
import pyarrow as pa

from flipbatch import storage
from flipbatch.schema import MANIFEST
from flipbatch.scoring.shards import SHARDED_MANIFEST, Group, Plan, part_name
from flipbatch.storage.parquet import OpenTable, ParquetFileWriter, open_table


def write_parts(groups: Iterable[Group], folder: str, metadata: dict[str, str]) -> Iterator[Group]:
    """Write each part of a manifest to a folder, atomically, and yield its groups.

    Raises
    ------
    StorageError
    """
    for part, of_part in groupby(groups, key=lambda group: group.part):
        writer = ParquetFileWriter(SHARDED_MANIFEST, metadata)
        for group in of_part:
            writer.write(group.rows, row_group_size=group.rows.num_rows)
            yield group
        writer.save(part_path(folder, part))


def part_path(folder: str, part: int) -> str:
    """Return the URI of a part."""
    return storage.join(folder, part_name(part))


def read_shard(folder: str, plan: Plan, shard: int) -> pa.Table:
    """Read a shard's rows.

    Returns
    -------
    pyarrow.Table
        `schema.MANIFEST`.

    Raises
    ------
    StorageError
    """
    rows = _read_group(part_path(folder, plan.part_of(shard)), shard)
    start, stop = np.searchsorted(rows["shard"].to_numpy(), [shard, shard + 1])
    # A manifest of an older version has no columns of films.
    rows = pa.concat_tables(
        [rows.slice(start, stop - start), MANIFEST.empty_table()], promote_options="default"
    )
    return rows.select(MANIFEST.names)


@lru_cache(maxsize=2)
def _open_part(path: str) -> OpenTable:
    return open_table(path)


def _read_group(path: str, shard: int) -> pa.Table:
    return _load_group(path, _group_of(path, shard))


@lru_cache(maxsize=2)
def _load_group(path: str, group: int) -> pa.Table:
    return _open_part(path).read_row_group(group)


def _group_of(path: str, shard: int) -> int:
    lasts = _last_shards(path)
    return bisect.bisect_left(lasts, shard)


@lru_cache(maxsize=2)
def _last_shards(path: str) -> list[int]:
    """Return the last shard of each row group, from the file's statistics."""
    metadata = _open_part(path).metadata
    column = SHARDED_MANIFEST.get_field_index("shard")
    groups = range(metadata.num_row_groups)
    return [metadata.row_group(group).column(column).statistics.max for group in groups]
