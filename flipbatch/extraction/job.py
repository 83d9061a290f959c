"""The driver of an extraction: films, or the stills of a scoring run, become image files.

Start or resume, extract the shards in several processes, write down what failed. The same command again goes
on where the last one stopped. Knows the order of the steps. Does not know Ray or pixels.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import InputError, JobError
from flipbatch.extraction.own_files import require_own_files
from flipbatch.extraction.shard import Extracted, Extraction, extract_shard
from flipbatch.frames.film_rows import ALL_FRAMES, Thinning, with_films
from flipbatch.frames.manifest import Rows, manifest_rows, source
from flipbatch.frames.notes import Notes
from flipbatch.frames.table_parts import table_digest
from flipbatch.runtime.pool_process import set_up
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.schema import FAILURES, MANIFEST, MISNAMED
from flipbatch.scoring.build_manifest import MANIFEST_FOLDER, BuiltManifest, build_from
from flipbatch.scoring.manifest_parts import read_shard
from flipbatch.scoring.progress import Progress
from flipbatch.scoring.shards import Plan
from flipbatch.storage.parquet import write_table

log = logging.getLogger(__name__)

RUN_FOLDER = ".flipbatch"
"""In the output: the record of the extraction. A folder whose name starts with a dot is not listed."""

FAILURES_FILE = "failures.parquet"


@dataclass(frozen=True)
class ExtractOptions:
    """The arguments of ``extract``.

    Attributes
    ----------
    out : str
        Where files are written.
    frames, manifest, stills : str or None
        One of the three: films, a table of frames, or a scoring run whose stills are extracted.
    model : str or None
        The model whose stills are meant, where the run has several.
    thinning : Thinning
        Which frames of films are extracted.
    quality : int
        Of JPEGs, 1 to 100.
    processes : int
        At least 1.
    """

    out: str
    frames: str | None = None
    manifest: str | None = None
    stills: str | None = None
    model: str | None = None
    thinning: Thinning = ALL_FRAMES
    quality: int = 95
    processes: int = 1


def extract(options: ExtractOptions) -> Extracted:
    """Write one file per frame; files that are there stay.

    Raises
    ------
    FlipbatchError
        The message says what to do.
    """
    directory = RunDirectory.at(storage.join(options.out, RUN_FOLDER))
    identity = _identity(options)
    found = directory.read_identity(frozenset({MANIFEST_FOLDER}))
    if found is None:
        _start(directory, identity, _build(options, directory.uri))
    else:
        require_same_identity(options.out, found, identity)
        if directory.is_finished:
            log.info("%s was listed before: choose another --out for what was added since.", options.out)
    facts = directory.read_run_file()["manifest"]
    plan = Plan(facts["shards"], tuple(facts["first_shards"]))
    extraction = Extraction(
        directory.path(facts["folder"]), plan, storage.normalise(options.out), options.quality
    )
    extracted = _extract_all(extraction, options.processes, facts["frames"])
    write_table(pa.Table.from_pylist(extracted.failures, FAILURES), directory.path(FAILURES_FILE), {})
    directory.finish()
    return extracted


def _identity(options: ExtractOptions) -> dict[str, Any]:
    return {
        "command": "extract",
        "frames": storage.redacted_uri(options.frames),
        "manifest": storage.redacted_uri(options.manifest),
        "manifest_digest": options.manifest and table_digest(source(None, options.manifest)),
        "stills": storage.redacted_uri(options.stills),
        "model": options.model,
        "quality": options.quality,
        **options.thinning.to_json(),
    }


def _start(directory: RunDirectory, identity: Mapping[str, Any], built: BuiltManifest) -> None:
    for note in built.notes:
        log.warning("%s", note)
    folder, plan = directory.path(built.folder), built.plan
    require_own_files(read_shard(folder, plan, shard) for shard in range(plan.shards))
    facts = {
        "folder": built.folder,
        "frames": built.frames,
        "shards": built.plan.shards,
        "first_shards": list(built.plan.first_shards),
    }
    directory.start(identity, manifest=facts)


# ---------------------------------------------------------------------------------------- what is extracted


def _build(options: ExtractOptions, folder: str) -> BuiltManifest:
    notes = Notes()
    with tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch:
        if options.stills is not None:
            rows = with_films(_stills(options.stills, options.model), ALL_FRAMES)
            return build_from(rows, notes, options.stills, None, folder, Path(scratch))
        rows = manifest_rows(options.frames, options.manifest, notes, options.thinning)
        origin = source(options.frames, options.manifest)
        return build_from(rows, notes, origin, None, folder, Path(scratch))


def _stills(run: str, model: str | None) -> Iterator[Rows]:
    """Return the stills of a scoring run as rows of a manifest."""
    from flipbatch.scoring.read_results import read_stills

    stills = read_stills(run, model)
    models = sorted(set(stills["model"].tolist()))
    if len(models) > 1:
        raise InputError(
            f"{run} has the stills of several models ({', '.join(models)}): choose one with --model."
        )
    stills = stills[stills["uri"].notna()].astype(
        {"frame_number": "int64"}
    )  # no frame of the others is whole
    if stills.empty:
        raise InputError(f"{run} has no stills: no video of several frames has one that could be decoded.")
    columns = {field.name: pa.nulls(len(stills), field.type) for field in MANIFEST}
    for name in ("video_id", "frame_number", "uri", "group"):
        columns[name] = pa.array(stills[name].tolist(), MANIFEST.field(name).type)
    batch = pa.record_batch(list(columns.values()), schema=MANIFEST)
    yield Rows(batch, pa.RecordBatch.from_pylist([], MISNAMED))


# ---------------------------------------------------------------------------------------- processes


def _extract_all(extraction: Extraction, processes: int, frames: int) -> Extracted:
    progress, total = Progress(frames, verb="extracted"), Extracted()
    shards = range(extraction.plan.shards)
    for extracted in _in_processes(partial(extract_shard, extraction), shards, processes):
        progress.add(extracted.frames, len(extracted.failures))
        total += extracted
    progress.close()
    return Extracted(total.frames, total.written, sorted(total.failures, key=lambda row: row["uri"]))


def _in_processes(function: partial[Extracted], shards: Iterable[int], processes: int) -> Iterator[Extracted]:
    with ProcessPoolExecutor(processes, get_context("spawn"), set_up) as pool:
        try:
            for future in as_completed([pool.submit(function, shard) for shard in shards]):
                yield future.result()
        except BrokenProcessPool:
            raise JobError(
                "A process that extracts frames was killed, as happens where memory runs out: start the same "
                "command again, with fewer --processes."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
