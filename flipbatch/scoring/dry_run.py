"""What scoring would do, and how long it would take: ``score --dry-run``.

Knows the steps of a run, and writes nothing but temporary files. Does not know how a step is done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager

import pyarrow as pa

from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.runtime.wording import counted, plural
from flipbatch.schema import COLUMNS, Label
from flipbatch.scoring.append import NO_CHANGE, compare
from flipbatch.scoring.build_manifest import Building, BuiltManifest, building_in_subprocess
from flipbatch.scoring.estimate import START_SECONDS, estimate_line, measure_rate
from flipbatch.scoring.job import (
    ScoreOptions,
    count_failed_frames,
    identity_of,
    models_of,
    run_to_append_to,
)
from flipbatch.scoring.local_executor import LocalExecutor
from flipbatch.scoring.manifest_parts import read_shard
from flipbatch.scoring.models import ScoringModel
from flipbatch.scoring.place_sample import FRAMES_PER_PLACE, count_places, sample_size
from flipbatch.scoring.run import BEFORE_RUN_FILE, ScoringRun, read_run
from flipbatch.storage.hive_folders import column_notes


def dry_run(options: ScoreOptions) -> list[str]:
    """Return what `job.score` would do, as lines; write nothing.

    Raises
    ------
    FlipbatchError
        As `job.score` raises it before its work.
    """
    directory = RunDirectory.at(options.out)
    found = directory.read_identity(BEFORE_RUN_FILE)
    models = models_of(options, found)
    if found is None:
        lines = _would_start(options, directory, models)
    elif options.append and directory.is_finished:
        run = run_to_append_to(directory, found, identity_of(options, models))
        lines = _would_append(options, run, models)
    else:
        require_same_identity(directory.uri, found, identity_of(options, models))
        directory.require_resumable()
        lines = _would_resume(options, read_run(directory), models)
    names = ", ".join(f"{model.name} at threshold {model.threshold:.3f}" for model in models)
    return [*lines, f"models: {names}"]


def _would_start(options: ScoreOptions, directory: RunDirectory, models: Sequence[ScoringModel]) -> list[str]:
    with (
        tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch,
        _building(options, scratch if options.adapt else None) as building,
    ):
        manifest = building()
        first_pass = _would_sample(manifest, scratch) if options.adapt else []
    videos = plural(manifest.videos, "video")
    return [
        f"would write to {directory.uri}",
        *column_notes(directory.uri, COLUMNS),
        f"frames: {manifest.frames} of {manifest.videos} {videos}: {_labels(manifest)}",
        *manifest.notes,
        *first_pass,
        f"shards: {manifest.plan.shards}",
        _time(manifest.frames, manifest.sample, models, options),
    ]


def _would_append(options: ScoreOptions, run: ScoringRun, models: Sequence[ScoringModel]) -> list[str]:
    with (
        tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch,
        _building(options, scratch) as building,
    ):
        built = building()
        changes, _ = compare(run, f"{scratch}/{built.folder}", built.plan)
    to_score = changes.new + changes.replaced
    if not to_score + changes.vanished:
        return [NO_CHANGE.format(run.directory.uri), *_would_retry(options, run)]
    return [
        f"would append to {run.directory.uri}",
        *changes.sentences(),
        *built.notes,
        *([_time(to_score, built.sample, models, options)] if to_score else []),
    ]


def _building(options: ScoreOptions, folder: str | None) -> AbstractContextManager[Building]:
    """Build a manifest in a subprocess, and write it if there is a folder."""
    return building_in_subprocess(options.frames, options.manifest, options.limit, folder, options.thinning)


def _would_sample(manifest: BuiltManifest, folder: str) -> list[str]:
    counts = count_places(f"{folder}/{manifest.folder}", manifest.plan)
    sampled, places = counted(sample_size(counts), "frame"), counted(len(counts), "place")
    return [f"first pass: {sampled} of {places}, at most {FRAMES_PER_PLACE} of each"]


def _labels(manifest: BuiltManifest) -> str:
    return ", ".join(
        f"{manifest.labels.get(label, 0)} {label or 'without label'}" for label in (*Label, None)
    )


def _time(frames: int, sample: pa.Table, models: Sequence[ScoringModel], options: ScoreOptions) -> str:
    """Return a line that says how long scoring would take."""
    if options.gpu:
        return "time: no estimate with --gpu"
    cores = 1
    if options.executor == "ray":
        from flipbatch.runtime.ray_connection import cpus_of_a_job

        cores = cpus_of_a_job()
    rate = measure_rate(sample, [model.bundle for model in models])
    return estimate_line(frames, rate, cores, START_SECONDS[options.executor])


def _would_resume(options: ScoreOptions, run: ScoringRun, models: Sequence[ScoringModel]) -> list[str]:
    act = "has finished" if run.directory.is_finished else "would resume"
    missing = run.missing_shards()
    committed = run.plan.shards - len(missing)
    lines = [f"{act} {run.directory.uri}", *run.notes, f"shards: {run.plan.shards}, {committed} committed"]
    if missing:
        frames = round(run.frames * len(missing) / run.plan.shards)
        lines.append(_time(frames, read_shard(run.manifest, run.plan, missing[0]), models, options))
    return [*lines, *_would_retry(options, run)]


def _would_retry(options: ScoreOptions, run: ScoringRun) -> list[str]:
    if not options.retry_errors:
        return []
    failed = count_failed_frames(LocalExecutor(), run)
    return [f"frames to read again: {sum(failed.values())}"]
