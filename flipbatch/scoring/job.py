"""The driver of a scoring run: start or resume, score, retry, merge, finish.

Knows the order of the steps of a run. Does not know Ray, shard files or tables: an executor runs the steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from flipbatch.errors import OutputError
from flipbatch.frames.film_rows import ALL_FRAMES, Thinning
from flipbatch.frames.manifest import source
from flipbatch.frames.table_parts import table_digest
from flipbatch.models.precision import Device, require_gpu
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.runtime.wording import counted, numbered
from flipbatch.schema import COLUMNS
from flipbatch.scoring.append import (
    NO_CHANGE,
    remove_old_parts,
    remove_previous,
    require_appendable,
    start_append,
)
from flipbatch.scoring.build_manifest import (
    Building,
    BuiltManifest,
    building_here,
    building_in_subprocess,
)
from flipbatch.scoring.committed_shards import failed_frames
from flipbatch.scoring.engines import require_engine_of_driver
from flipbatch.scoring.executor import Executor, Work, score_with_progress
from flipbatch.scoring.finish import METRICS_FILE, finish_run
from flipbatch.scoring.first_pass import estimate_places, require_priors, use_engine_of_first_pass
from flipbatch.scoring.local_executor import LocalExecutor
from flipbatch.scoring.merge import merge_part
from flipbatch.scoring.models import ScoringModel, load_models
from flipbatch.scoring.progress import Progress
from flipbatch.scoring.run import (
    BEFORE_RUN_FILE,
    ScoringRun,
    current,
    model_names,
    read_run,
    run_identity,
    start_run,
)
from flipbatch.scoring.timing import Timing
from flipbatch.scoring.totals import PartTotals
from flipbatch.scoring.verify import require_only_parts
from flipbatch.storage.hive_folders import column_notes

log = logging.getLogger(__name__)

ExecutorName = Literal["ray", "local"]


@dataclass(frozen=True)
class ScoreOptions:
    """The arguments of ``score``.

    Attributes
    ----------
    models : tuple of str
        Bundles, each ``URI`` or ``NAME=URI``.
    out : str
        The run's directory.
    frames, manifest : str or None
        One of the two: what to score.
    limit : int or None
        Score the first `limit` frames of the manifest only.
    threshold : float or None
        Decide at this probability, 0 to 1, instead of at each bundle's own.
    gpu : bool
        Predict on GPUs, decode on CPUs.
    retry_errors : bool
        Read those frames of the run again whose storage failed.
    executor : {"ray", "local"}
        Score on a Ray cluster, or in this process.
    allow_mixed_engines : bool
        Resume a run even if this engine is not the one that scored its other shards.
    adapt : bool
        Estimate the offset of each place from a sample of its frames first, and subtract it from the logits.
    thinning : Thinning
        Which frames of films are scored.
    append : bool
        If there is a run, list its frames anew, and score those that it does not have.
    """

    models: tuple[str, ...]
    out: str
    frames: str | None = None
    manifest: str | None = None
    limit: int | None = None
    threshold: float | None = None
    gpu: bool = False
    retry_errors: bool = False
    executor: ExecutorName = "ray"
    allow_mixed_engines: bool = False
    adapt: bool = False
    thinning: Thinning = ALL_FRAMES
    append: bool = False

    @property
    def device(self) -> Device:
        """Where frames are predicted: ``cuda`` or ``cpu``."""
        return "cuda" if self.gpu else "cpu"


Json = Mapping[str, Any]

WriteReport = Callable[[ScoringRun, Json, Mapping[str, Json], PartTotals, Timing], None]
"""Writes a report: gets the run, its metrics, the model card of each model, the run's totals, and how long
the frames took that this command scored."""


def score(options: ScoreOptions, write_report: WriteReport) -> dict[str, Any]:
    """Start a run, or resume it, and finish it.

    Returns
    -------
    dict
        The content of ``metrics.json``.

    Raises
    ------
    FlipbatchError
        The message says what to do.
    """
    directory = RunDirectory.at(options.out)
    found = directory.read_identity(BEFORE_RUN_FILE)
    models = models_of(options, found)
    identity = identity_of(options, models)
    if options.append and found is not None:
        if not directory.is_finished:
            score(replace(options, append=False), write_report)
        return _append(options, directory, found, identity, models, write_report)
    if found is not None:
        require_same_identity(directory.uri, found, identity)
        directory.require_resumable()
        run = read_run(directory)
        if (finished := _finished_metrics(run, options)) is not None:
            return finished
        _require_engine(run, options)
    with _building(options, directory.uri, found) as building, _executor(options) as executor:
        if building is not None:
            built = building()
            _log_notes([*column_notes(directory.uri, COLUMNS), *built.notes])
            _start(directory, identity, built, models, options, executor)
        run = read_run(directory)
        if building is None:
            _log_notes(run.notes)
        return _complete(run, models, options, executor, write_report)


def _append(
    options: ScoreOptions,
    directory: RunDirectory,
    found: Mapping[str, Any],
    identity: Mapping[str, Any],
    models: Sequence[ScoringModel],
    write_report: WriteReport,
) -> dict[str, Any]:
    """Score the frames that a finished run does not have; a table of frames may have changed."""
    run = run_to_append_to(directory, found, identity)
    _require_engine(run, options)
    with _building(options, directory.uri, None) as building, _executor(options) as executor:
        assert building is not None
        if not start_append(run, identity, building()):
            log.info("%s", NO_CHANGE.format(directory.uri))
            if not options.retry_errors:
                return directory.read_json(METRICS_FILE)
        return _complete(read_run(directory), models, options, executor, write_report)


def run_to_append_to(
    directory: RunDirectory, found: Mapping[str, Any], identity: Mapping[str, Any]
) -> ScoringRun:
    """Return the run of a directory, if ``--append`` can add frames to it.

    Raises
    ------
    OutputError
    """
    require_same_identity(directory.uri, {**found, "manifest_digest": identity["manifest_digest"]}, identity)
    directory.require_resumable()
    run = read_run(directory)
    require_appendable(run)
    return run


def models_of(options: ScoreOptions, found: Mapping[str, Any] | None) -> list[ScoringModel]:
    """Load the models of a run; `found` is the identity of the run that is there.

    Raises
    ------
    BundleError, InputError, StorageError
    """
    models = load_models(options.models, options.threshold, model_names(found))
    if options.adapt:
        require_priors(models)
    return models


def identity_of(options: ScoreOptions, models: Sequence[ScoringModel]) -> dict[str, Any]:
    """Return what a run is resumed by."""
    digest = options.manifest and table_digest(source(None, options.manifest))
    return run_identity(
        options.frames,
        options.manifest,
        options.limit,
        models,
        digest,
        options.adapt,
        options.thinning,
    )


def _start(
    directory: RunDirectory,
    identity: Mapping[str, Any],
    built: BuiltManifest,
    models: Sequence[ScoringModel],
    options: ScoreOptions,
    executor: Executor,
) -> None:
    """Write ``run.json``; if the run adapts, after the first pass."""
    adaptation = None
    if options.adapt:
        work = partial(_work, models=models, options=options)
        adaptation = estimate_places(executor, directory, built, models, work)
    start_run(directory, identity, built, adaptation)


def _work(run: ScoringRun, models: Sequence[ScoringModel], options: ScoreOptions) -> Work:
    return Work(run, [model.bundle for model in models], options.device, options.allow_mixed_engines)


def _require_engine(run: ScoringRun, options: ScoreOptions) -> None:
    """Refuse another engine, unless only the merge is left: no engine takes part in it."""
    try:
        require_engine_of_driver(run.directory, options.device, options.allow_mixed_engines)
    except OutputError:
        if options.retry_errors or run.missing_shards():
            raise


def _log_notes(notes: Iterable[str]) -> None:
    for note in notes:
        log.warning("%s", note)


def _finished_metrics(run: ScoringRun, options: ScoreOptions) -> dict[str, Any] | None:
    """Return the metrics of a finished run that is to be left as it is."""
    if options.retry_errors or not run.directory.is_finished:
        return None
    log.info("%s is finished: --append would score files that were added since.", run.directory.uri)
    return run.directory.read_json(METRICS_FILE)


def _building(
    options: ScoreOptions, folder: str, found: Mapping[str, Any] | None
) -> AbstractContextManager[Building | None]:
    """Build the manifest of a new run: in a subprocess while Ray starts, else here."""
    if found is not None:
        return nullcontext()
    build = building_here if options.executor == "local" else building_in_subprocess
    return build(options.frames, options.manifest, options.limit, folder, options.thinning)


@contextmanager
def _executor(options: ScoreOptions) -> Iterator[Executor]:
    if options.executor == "local":
        if options.gpu:
            require_gpu()
        yield LocalExecutor()
        return
    from flipbatch.scoring.ray_executor import ray_executor

    with ray_executor(options.gpu) as executor:
        yield executor


def _complete(
    run: ScoringRun,
    models: Sequence[ScoringModel],
    options: ScoreOptions,
    executor: Executor,
    write_report: WriteReport,
) -> dict[str, Any]:
    with current(run):
        remove_old_parts(run)
        require_only_parts(run)  # before any work, and before a finished run is reopened
        use_engine_of_first_pass(run)
        work = _work(run, models, options)
        timing = _score_missing_shards(executor, work)
        if options.retry_errors:
            timing += _score_failed_frames(executor, work)
        # Another command may have finished the run meanwhile. Merging again gives the same bytes.
        totals = sum(executor.map_parts(merge_part, run), start=PartTotals())
        cards = {model.name: model.bundle.model_card() for model in models}
        metrics = finish_run(
            run, totals, lambda run, metrics, totals: write_report(run, metrics, cards, totals, timing)
        )
    remove_previous(run)
    return metrics


# ---------------------------------------------------------------------------------------- score


def _score_missing_shards(executor: Executor, work: Work) -> Timing:
    run = work.run
    missing = run.missing_shards()
    if run.directory.is_finished:
        if not missing:
            return Timing()
        run.directory.reopen()  # a damaged shard of a finished run was deleted
    committed = run.plan.shards - len(missing)
    if committed:
        shards, are = counted(run.plan.shards, "shard"), numbered("{is|are}", committed)
        log.info("Resuming: %d of %s %s committed.", committed, shards, are)
    frames = run.frames if run.previous is None else run.previous.to_score
    done = round(frames * committed / run.plan.shards)
    return score_with_progress(executor, work, missing, Progress(frames, done))


def _score_failed_frames(executor: Executor, work: Work) -> Timing:
    """Read the frames again whose storage failed. The predictions of all others stay as they are."""
    failed = count_failed_frames(executor, work.run)
    if not failed:
        log.info("No frame is missing or unreadable: no frame is read again.")
        return Timing()
    frames = sum(failed.values())
    log.info("Frames whose storage failed, which are read again: %d", frames)
    work.run.directory.reopen()  # merged again, whatever another command has merged meanwhile
    return score_with_progress(executor, replace(work, retry=True), sorted(failed), Progress(frames))


def count_failed_frames(executor: Executor, run: ScoringRun) -> dict[int, int]:
    """Count the frames of each shard whose storage failed."""
    failed: dict[int, int] = {}
    for of_part in executor.map_parts(failed_frames, run):
        failed |= of_part
    return failed
