"""The end of a run: metrics, misnamed files, offsets of places, report, and ``_SUCCESS`` last.

Knows ``metrics.json`` and the files of a finished run. Does not know Ray, shards or how a report looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import combinations
from typing import Any

from flipbatch import storage
from flipbatch.errors import OutputError, StorageError, redacted
from flipbatch.evaluation.paired import model_difference
from flipbatch.evaluation.tally import ModelTally
from flipbatch.frames.notes import EXAMPLES
from flipbatch.runtime.wording import counted
from flipbatch.schema import SCHEMA_VERSION, Status
from flipbatch.scoring.attempts import ATTEMPTS_FOLDER
from flipbatch.scoring.build_manifest import MISNAMED_FILE
from flipbatch.scoring.engines import engines_as_json
from flipbatch.scoring.place_offsets import read_bytes
from flipbatch.scoring.run import ScoringRun, require_current
from flipbatch.scoring.totals import PartTotals
from flipbatch.scoring.verify import require_only_parts
from flipbatch.storage.parquet import parse_table

METRICS_FILE = "metrics.json"
ADAPTATION_FILE = "adaptation.parquet"

WriteRunReport = Callable[[ScoringRun, dict[str, Any], PartTotals], None]
"""Writes the report of a run: gets the run, its metrics and its totals."""


def finish_run(run: ScoringRun, totals: PartTotals, write_report: WriteRunReport) -> dict[str, Any]:
    """Write metrics, report and ``_SUCCESS``, if every frame of the manifest is accounted for.

    Parameters
    ----------
    run : ScoringRun
    totals : PartTotals
        Of all parts.
    write_report : callable

    Returns
    -------
    dict
        The content of ``metrics.json``.

    Raises
    ------
    OutputError
        If a frame is not accounted for, the tables' folders contain other files, or another command has
        started another run here.
    """
    _require_all_frames(run, totals)
    _require_current(run)
    require_only_parts(run)
    misnamed = storage.read_required(run.misnamed_path(), "the list of misnamed files")
    storage.write(run.directory.path(MISNAMED_FILE), misnamed)
    if run.adaptation is not None:
        offsets = read_bytes(run.adaptation.uri, run.adaptation.digest)
        storage.write(run.directory.path(ADAPTATION_FILE), offsets)
    metrics = _metrics(run, totals, _first_uris(run, misnamed))
    run.directory.write_json(METRICS_FILE, metrics)
    write_report(run, metrics, totals)
    _require_current(run)
    run.directory.finish()
    _require_current(run)  # another command may have replaced the run since the line before
    with suppress(StorageError):  # another command may be deleting it, too
        storage.remove_folder(run.directory.path(ATTEMPTS_FOLDER))
    return metrics


def _require_current(run: ScoringRun) -> None:
    """Refuse to finish a run that another one has replaced since its parts were merged.

    A file of the other run may have been overwritten: it is marked as not finished, and merged again.
    """
    try:
        require_current(run)
    except OutputError:
        run.directory.reopen()
        raise


def _require_all_frames(run: ScoringRun, totals: PartTotals) -> None:
    if (totals.frames, totals.videos) != (run.frames, run.videos):
        raise OutputError(
            f"{run.directory.uri} is damaged: the predictions have {counted(totals.frames, 'frame')} in "
            f"{counted(totals.videos, 'video')}, the manifest has {run.frames:,} in {run.videos:,}. "
            "Choose another --out."
        )


def _first_uris(run: ScoringRun, misnamed: bytes) -> list[str]:
    uris = parse_table(misnamed, run.misnamed_path()).column("uri").slice(0, EXAMPLES)
    return [redacted(uri) for uri in uris.to_pylist()]


def _metrics(run: ScoringRun, totals: PartTotals, misnamed: list[str]) -> dict[str, Any]:
    no_label = "No frame has a label: precision, recall and F1 can't be measured."
    models = {
        name: {
            "threshold": run.thresholds[name],
            **model.tally.to_json(),
            **model.turns.to_json(),
            "page_turns": model.events,
            "stills": model.stills,
        }
        for name, model in totals.models.items()
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "frames": _frames(run, totals),
        "misnamed_examples": misnamed,
        "videos": totals.videos,
        "models": models,
        "note": None if totals.labelled else no_label,
        "differences": _differences({name: model.tally for name, model in totals.models.items()}),
        "engines": engines_as_json(totals.engines),
        "adaptation": None if run.adaptation is None else run.adaptation.summary,
    }


def _differences(tallies: Mapping[str, ModelTally]) -> list[dict[str, Any]]:
    """Return each pair of models, with the metrics of ``model`` less those of ``minus``."""
    return [model_difference(tallies, model, minus) for model, minus in combinations(tallies, 2)]


def _frames(run: ScoringRun, totals: PartTotals) -> dict[str, Any]:
    return {
        "total": totals.frames,
        "scored": totals.status[Status.OK],
        "errors": {str(status): totals.status[status] for status in Status if status is not Status.OK},
        "labelled": totals.labelled,
        "misnamed": run.misnamed,
    }
