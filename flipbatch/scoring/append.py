"""A finished run takes up frames that were added since: ``score --append``.

The run's frames are listed anew, and ``run.json`` is replaced by that of a run over all of them, whose
tables and fingerprint are the same as if it had been started so. Rows that the previous run has scored are
taken from its shards (`carried_rows`); all else is scored. Until the new run is finished, the previous shards
stay.

Knows two manifests and the shards of a previous run. Does not know Ray or pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError
from flipbatch.frames.notes import EXAMPLES
from flipbatch.runtime.run_directory import RunDirectory, run_fingerprint
from flipbatch.runtime.wording import numbered
from flipbatch.schema import TRANSIENT
from flipbatch.scoring.build_manifest import BuiltManifest
from flipbatch.scoring.manifest_parts import part_path, read_shard
from flipbatch.scoring.run import (
    SHARDS_FOLDER,
    PreviousRun,
    ScoringRun,
    current,
    manifest_facts,
    require_current,
    shard_name,
)
from flipbatch.scoring.shards import Plan, part_name
from flipbatch.storage.parquet import open_table, read_table, write_table

log = logging.getLogger(__name__)

RANGES_FILE = "previous_shards.parquet"
"""In the folder of a manifest: for each shard, the shards of the previous run that may have rows of it."""

_RANGES = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in ("shard", "first", "stop")])
_KEY = ["video_id", "frame_number", "uri"]

NO_CHANGE = "No frame was added, replaced or removed since {} was listed."

_NEW = "{count} {frame is|frames are} new."
_REPLACED = "{count} {frame was|frames were} replaced since, and {is|are} scored again."
_VANISHED = "{count} {frame|frames} of the run {is|are} no longer there, and {leaves|leave} its tables"


class Row(NamedTuple):
    """What two manifests are compared by."""

    key: tuple[str, int, str]
    version: str | None
    shard: int


@dataclass
class Changes:
    """How a manifest differs from that of the previous run.

    Attributes
    ----------
    new, replaced, vanished : int
        Numbers of frames.
    vanished_examples : list of str
        URIs.
    """

    new: int = 0
    replaced: int = 0
    vanished: int = 0
    vanished_examples: list[str] = field(default_factory=list)

    def vanish(self, row: Row) -> None:
        """Count a frame that is no longer there."""
        self.vanished += 1
        if len(self.vanished_examples) < EXAMPLES:
            self.vanished_examples.append(row.key[2])

    def sentences(self) -> Iterator[str]:
        """Yield what users should know, a sentence each."""
        yield numbered(_NEW, self.new)
        if self.replaced:
            yield numbered(_REPLACED, self.replaced)
        if self.vanished:
            yield f"{numbered(_VANISHED, self.vanished)}: {', '.join(self.vanished_examples)}."


# ---------------------------------------------------------------------------------------- start


def start_append(run: ScoringRun, identity: Mapping[str, Any], built: BuiltManifest) -> bool:
    """Replace ``run.json`` by that of a run over all frames; return whether there is any change.

    Parameters
    ----------
    run : ScoringRun
        The finished run.
    identity : mapping
        Of the run over all frames.
    built : BuiltManifest
        Its manifest.

    Raises
    ------
    OutputError
        If another command has replaced it meanwhile.
    StorageError
    """
    facts, directory = manifest_facts(built), run.directory
    file = directory.read_run_file()
    if file["manifest"] == facts and file["identity"] == identity:
        return False
    folder = directory.path(built.folder)
    with current(run):
        changes, ranges = compare(run, folder, built.plan)
        write_table(ranges, storage.join(folder, RANGES_FILE), {})
    for sentence in changes.sentences():
        log.info("%s", sentence)
    previous = {
        "manifest": {key: file["manifest"][key] for key in ("folder", "shards", "first_shards")},
        "shards_folder": run.shards_folder,
        "fingerprint": run.run_fingerprint,
        "new": changes.new,
        "replaced": changes.replaced,
        "vanished": changes.vanished,
    }
    # Of the run, not of its manifest: a table of other bytes may have the same rows.
    shards = f"{SHARDS_FOLDER}-{run_fingerprint({'identity': identity, 'manifest': facts})[:16]}"
    require_current(run)
    directory.reopen()
    directory.replace(identity, {"previous": previous, "shards_folder": shards}, manifest=facts)
    return True


def compare(run: ScoringRun, folder: str, plan: Plan) -> tuple[Changes, pa.Table]:
    """Compare the manifest of a run with another one.

    Parameters
    ----------
    run : ScoringRun
    folder : str
        URI of the other manifest.
    plan : Plan
        Its own.

    Returns
    -------
    tuple of (Changes, pyarrow.Table)
        The second says which shards of the run have rows of each new shard, for `RANGES_FILE`.
    """
    changes, ranges = Changes(), np.zeros((plan.shards, 2), np.int64)
    ranges[:, 0] = np.iinfo(np.int64).max
    for old, new in _pairs(_rows(run.manifest, run.plan), _rows(folder, plan)):
        if new is None:
            changes.vanish(old)
        elif old is None:
            changes.new += 1
        elif old.version != new.version:
            changes.replaced += 1
        else:
            first, stop = ranges[new.shard]
            ranges[new.shard] = min(first, old.shard), max(stop, old.shard + 1)
    first = np.minimum(ranges[:, 0], ranges[:, 1])  # shards without such rows have an empty range
    columns = [pa.array(np.arange(plan.shards)), pa.array(first), pa.array(ranges[:, 1])]
    return changes, pa.table(columns, schema=_RANGES)


def _rows(folder: str, plan: Plan) -> Iterator[Row]:
    for part in plan.parts:
        table = open_table(part_path(folder, part))
        for batch in table.iter_batches(columns=[*_KEY, "version", "shard"]):
            columns = [batch.column(name).to_pylist() for name in (*_KEY, "version", "shard")]
            for video_id, number, uri, version, shard in zip(*columns, strict=True):
                yield Row((video_id, number, uri), version, shard)


def _pairs(old: Iterator[Row], new: Iterator[Row]) -> Iterator[tuple[Any, Any]]:
    """Yield rows of one key together; None stands for the row of a key that only one has."""
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield one, None
            one = next(old, None)
        elif one is None or other.key < one.key:
            yield None, other
            other = next(new, None)
        else:
            yield one, other
            one, other = next(old, None), next(new, None)


# ---------------------------------------------------------------------------------------- rows


class CarriedRows(NamedTuple):
    """Rows of a shard that the previous run has scored.

    Attributes
    ----------
    rows : pyarrow.Table
        As the previous run committed them, labels and groups as they are now.
    carried : ndarray
        (N,), bool: which rows of the shard they are.
    """

    rows: pa.Table
    carried: np.ndarray


def carried_rows(run: ScoringRun, shard: int, rows: pa.Table) -> CarriedRows | None:
    """Return those rows of a shard that the previous run has scored; None if it has none.

    Parameters
    ----------
    run : ScoringRun
    shard : int
    rows : pyarrow.Table
        `schema.MANIFEST`, the rows of the shard.
    """
    if run.previous is None:
        return None
    first, stop = _ranges(storage.join(run.manifest, RANGES_FILE))[shard]
    tables = [_scored(run.directory, run.previous, old) for old in range(first, stop)]
    scored = [table for table in tables if table is not None]
    if not scored:
        return None
    table = pa.concat_tables(scored, promote_options="default")
    places = {key: place for place, key in enumerate(_keys(table, "previous_version"))}
    found = np.array([places.get(key, -1) for key in _keys(rows, "version")], np.int64)
    kept = table.take(pa.array(found[found >= 0])).drop_columns(["previous_version"])
    mask = pa.array(found >= 0)
    for name in ("label", "group"):
        kept = kept.set_column(kept.schema.get_field_index(name), name, rows[name].filter(mask))
    return CarriedRows(kept, found >= 0)


def _keys(rows: pa.Table, version: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in (*_KEY, version)), strict=True)


@lru_cache(maxsize=1)
def _ranges(uri: str) -> list[tuple[int, int]]:
    table = read_table(uri)
    return list(zip(table["first"].to_pylist(), table["stop"].to_pylist(), strict=True))


@lru_cache(maxsize=4)
def _scored(directory: RunDirectory, previous: PreviousRun, shard: int) -> pa.Table | None:
    """Return the rows of a previous shard that need not be scored again; None if the shard is gone."""
    path = directory.path(previous.shards_folder, shard_name(shard))
    if not storage.exists(path):
        return None
    rows = read_table(path)
    if (rows.schema.metadata or {}).get(b"flipbatch.run") != previous.fingerprint.encode():
        raise OutputError(f"{path} is a file of another run: remove it, and run the command again.")
    versions = read_shard(previous.manifest, previous.plan, shard)["version"]
    final = pa.array([status not in TRANSIENT for status in rows["status"].to_pylist()])
    return rows.append_column("previous_version", versions).filter(final)


# ---------------------------------------------------------------------------------------- end


def remove_old_parts(run: ScoringRun) -> None:
    """Remove tables of the previous run that the new run does not replace.

    Raises
    ------
    StorageError
    """
    if run.previous is None:
        return
    old = {part_name(part) for part in run.previous.plan.parts}
    for folder, names in run.table_folders().items():
        for name in sorted(old & set(storage.names_in(folder)) - names):
            storage.remove_file(storage.join(folder, name))


def remove_previous(run: ScoringRun) -> None:
    """Remove the shards and the manifest of the previous run, after the new run is finished."""
    if run.previous is None:
        return
    folders = {run.directory.path(run.previous.shards_folder), run.previous.manifest}
    for folder in folders - {run.directory.path(run.shards_folder), run.manifest}:
        with suppress(StorageError):  # another command may be deleting it, too
            storage.remove_folder(folder)


def require_appendable(run: ScoringRun) -> None:
    """Refuse to append to a run whose probabilities depend on all of its frames.

    Raises
    ------
    OutputError
    """
    if run.adaptation is not None:
        raise OutputError(
            f"{run.directory.uri} adapts to places: new frames would change the probabilities of the others. "
            "Score all frames with --adapt into another --out."
        )
