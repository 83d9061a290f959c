"""The first pass of a run with ``--adapt``: a sample of each place is scored, and its offsets are estimated.

The pass is a run of its own over the sample, in a folder whose name depends on what it scores: the same
executors, shards, commits and attempts, so it resumes like one. Knows its order and its files. Does not know
Ray or pixels. It ends with one file of offsets, which the run that follows only reads.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import BundleError, StorageError
from flipbatch.evaluation.adaptation import (
    BINS,
    LogitHistogram,
    estimate_offsets,
    logit_bins,
    logits_of,
)
from flipbatch.evaluation.adaptation_prior import AdaptationPrior
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.runtime.wording import counted
from flipbatch.schema import ADAPTATION
from flipbatch.scoring.attempts import ATTEMPTS_FOLDER
from flipbatch.scoring.build_manifest import MANIFEST_FOLDER, BuiltManifest
from flipbatch.scoring.committed_shards import ShardReader
from flipbatch.scoring.engines import ENGINE_FILE
from flipbatch.scoring.executor import Executor, Work, score_with_progress
from flipbatch.scoring.models import ScoringModel
from flipbatch.scoring.place_offsets import digest_of, summary
from flipbatch.scoring.place_sample import FRAMES_PER_PLACE, count_places, sample_size, write_sample
from flipbatch.scoring.progress import Progress
from flipbatch.scoring.run import ADAPTATION_FOLDER, OFFSETS_FILE, ScoringRun
from flipbatch.scoring.shards import Plan
from flipbatch.storage.parquet import create_table, parse_table

log = logging.getLogger(__name__)

_CARD_KEY = "adaptation"

Histograms = Mapping[tuple[str, str], LogitHistogram]
"""By model and place."""


def estimate_places(
    executor: Executor,
    directory: RunDirectory,
    built: BuiltManifest,
    models: Sequence[ScoringModel],
    work_of: Callable[[ScoringRun], Work],
) -> dict[str, Any]:
    """Score a sample of each place of a manifest, and write the offset of each place and model.

    Where an earlier command has written them, they stay.

    Parameters
    ----------
    executor : Executor
    directory : RunDirectory
        Of the run that follows.
    built : BuiltManifest
        Its manifest.
    models : sequence of ScoringModel
    work_of : callable
        Returns the work of scoring a run with these models.

    Returns
    -------
    dict
        ``adaptation`` of ``run.json``, as `schema.ADAPTATION` says.

    Raises
    ------
    BundleError
        If a model card has a prior that can't be used.
    JobError, OutputError, StorageError
    """
    priors = require_priors(models)
    fingerprint = _fingerprint(built, models)
    folder = f"{ADAPTATION_FOLDER}/{fingerprint[:16]}"
    own = RunDirectory(directory.path(folder))
    uri = own.path(OFFSETS_FILE)
    if not storage.exists(uri):
        sample = _sample(own, directory.path(built.folder), built, models, fingerprint)
        _score(executor, work_of(sample.run))
        create_table(_offsets(executor, sample, priors), uri, sample.run.metadata())
        with suppress(StorageError):  # another command may be deleting it, too
            storage.remove_folder(own.path(ATTEMPTS_FOLDER))
    data = storage.read_required(uri, "the offsets of the places")
    return {"folder": folder, "digest": digest_of(data), **summary(parse_table(data, uri), FRAMES_PER_PLACE)}


def use_engine_of_first_pass(run: ScoringRun) -> None:
    """Make the engine of a run's first pass the engine of the run: one run, one engine.

    Raises
    ------
    StorageError
    """
    if run.adaptation is not None:
        first = storage.join(run.adaptation.uri.rpartition("/")[0], ENGINE_FILE)
        engine = storage.read_required(first, "the engine of the first pass")
        storage.create(run.directory.path(ENGINE_FILE), engine)


def require_priors(models: Sequence[ScoringModel]) -> dict[str, AdaptationPrior]:
    """Return what each model's card knows of its logits, by name; else the default at the model's threshold.

    Raises
    ------
    BundleError
        If a prior can't be used.
    """
    return {model.name: _prior(model) for model in models}


def _prior(model: ScoringModel) -> AdaptationPrior:
    card = model.bundle.provenance.get(_CARD_KEY)
    if card is None:
        return AdaptationPrior().around(model.own_threshold)
    try:
        return AdaptationPrior.from_json(card)
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"The model card of {model.name} has an {_CARD_KEY} that can't be used ({error}): train it "
            "anew, or score without --adapt."
        ) from error


def _fingerprint(built: BuiltManifest, models: Sequence[ScoringModel]) -> str:
    """Return the SHA-256 of all that the probabilities of a sample depend on."""
    inputs = {
        "manifest": built.manifest_fingerprint,
        "frames_per_place": FRAMES_PER_PLACE,
        "models": {model.name: model.bundle_fingerprint for model in models},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


# ---------------------------------------------------------------------------------------- sample


class _Sample(NamedTuple):
    """A run over the sample, and how many frames each place has in all."""

    run: ScoringRun
    counts: Mapping[str, int]


def _sample(
    own: RunDirectory, manifest: str, built: BuiltManifest, models: Sequence[ScoringModel], fingerprint: str
) -> _Sample:
    counts = count_places(manifest, built.plan)
    run = ScoringRun(
        directory=own,
        manifest=own.path(MANIFEST_FOLDER),
        plan=Plan(0, ()),
        frames=sample_size(counts),
        videos=0,
        labelled=0,
        misnamed=0,
        run_fingerprint=fingerprint,
        bundle_fingerprints={model.name: model.bundle_fingerprint for model in models},
        thresholds={model.name: model.threshold for model in models},
    )
    plan = write_sample(manifest, built.plan, counts, run.manifest, run.metadata())
    return _Sample(replace(run, plan=plan), counts)


def _score(executor: Executor, work: Work) -> None:
    run = work.run
    missing = run.missing_shards()
    log.info("First pass: %s of all places, to estimate the places' offsets.", counted(run.frames, "frame"))
    done = round(run.frames * (1 - len(missing) / run.plan.shards))
    score_with_progress(executor, work, missing, Progress(run.frames, done))


# ---------------------------------------------------------------------------------------- offsets


def place_histograms(run: ScoringRun, part: int) -> Histograms:
    """Count the logits of a part's scored frames, by model and place.

    Raises
    ------
    OutputError
    """
    found = dict[tuple[str, str], LogitHistogram]()
    for rows in ShardReader(run, run.plan.shards_of(part)):
        places = rows["group"].combine_chunks().dictionary_encode()
        names, codes = places.dictionary.to_pylist(), places.indices.to_numpy()
        for model in run.models:
            table = _count(rows[model].to_numpy(), codes, len(names))
            _add(found, {(model, name): LogitHistogram(row) for name, row in zip(names, table, strict=True)})
    return found


def _count(
    probabilities: npt.NDArray[np.float32], codes: npt.NDArray[np.int64], places: int
) -> npt.NDArray[np.int32]:
    """Return a histogram per place, int32 [places, BINS]; NaN is a frame that was not scored."""
    scored = ~np.isnan(probabilities)
    cells = codes[scored] * BINS + logit_bins(logits_of(probabilities[scored]))
    return np.bincount(cells, minlength=places * BINS).reshape(places, BINS).astype(np.int32)


def _add(total: dict[tuple[str, str], LogitHistogram], more: Histograms) -> None:
    for key, histogram in more.items():
        total[key] = total[key] + histogram if key in total else histogram


def _offsets(executor: Executor, sample: _Sample, priors: Mapping[str, AdaptationPrior]) -> pa.Table:
    """Return `schema.ADAPTATION`."""
    histograms = dict[tuple[str, str], LogitHistogram]()
    for of_part in executor.map_parts(place_histograms, sample.run):
        _add(histograms, of_part)
    places = sorted(sample.counts)
    tables = []
    for model, prior in sorted(priors.items()):
        counts = np.array([histograms[model, place].counts for place in places])
        tables.append(_table(model, sample.counts, places, counts, estimate_offsets(counts, prior)))
    return pa.concat_tables(tables)


def _table(
    model: str,
    frames: Mapping[str, int],
    places: Sequence[str],
    counts: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.float64],
) -> pa.Table:
    ends = np.arange(len(places) + 1, dtype=np.int32) * BINS
    columns = {
        "model": [model] * len(places),
        "place": places,
        "frames": [frames[place] for place in places],
        "sampled": [min(frames[place], FRAMES_PER_PLACE) for place in places],
        "scored": counts.sum(axis=1),
        "offset": offsets,
        "histogram": pa.ListArray.from_arrays(ends, counts.ravel()),
    }
    return pa.table(columns, schema=ADAPTATION)
