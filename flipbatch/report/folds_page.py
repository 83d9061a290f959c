"""The HTML report of a cross-validation: all folds pooled, each fold, and the worst mistakes, in one file.

Fills ``folds.html.j2``. The same run over the same frames gives the same bytes. Does not know pixels or Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from flipbatch import storage
from flipbatch.evaluation.examples import FrameExamples
from flipbatch.models.bundle import MODEL_CARD_FILE
from flipbatch.report import views
from flipbatch.report.contents import Json
from flipbatch.report.differences import by_pair, differences
from flipbatch.report.gallery import galleries
from flipbatch.report.html import fill, write_page
from flipbatch.report.values import number
from flipbatch.report.views import Cell, Row, Section, measured_sections
from flipbatch.runtime.run_directory import RUN_FILE, RunDirectory
from flipbatch.runtime.wording import counted
from flipbatch.schema import Label
from flipbatch.storage.parquet import read_table
from flipbatch.training.fit_model import MODELS_FOLDER, TEST_FRAMES_FOLDER

_MEASURES = {"f1": "F1", "balanced_accuracy": "balanced accuracy"}
_NAMED_GROUPS = 3


@dataclass(frozen=True)
class FoldsReport:
    """Everything that the page shows.

    Attributes
    ----------
    run, folds : mapping
        The content of ``run.json`` and ``folds.json``.
    examples : mapping of str to FrameExamples
        By model: the frames to look at, of all folds. Each frame was decided by a model that did not see its
        group.
    """

    run: Json
    folds: Json
    examples: Mapping[str, FrameExamples]


def write_folds_report(directory: RunDirectory, folds: Json, number_of_thumbnails: int) -> None:
    """Write ``report.html`` of a cross-validation.

    Parameters
    ----------
    directory : RunDirectory
    folds : mapping
        The content of ``folds.json``.
    number_of_thumbnails : int
        See `galleries`; 0 for none.

    Raises
    ------
    StorageError, OutputError
    """
    names = list(folds["models"])
    report = FoldsReport(
        directory.read_json(RUN_FILE),
        folds,
        {name: reduce(add, _examples(directory, folds, name), FrameExamples()) for name in names},
    )
    write_page(directory, render_folds(report, number_of_thumbnails))


def _examples(directory: RunDirectory, folds: Json, name: str) -> list[FrameExamples]:
    """Return the frames to look at of each fold; an older version wrote no table of test frames."""
    places = [f"folds/{fold['fold']:02d}" for fold in folds["folds"]]
    tables = {place: directory.path(place, TEST_FRAMES_FOLDER, f"{name}.parquet") for place in places}
    return [
        FrameExamples.of(read_table(uri), _threshold(directory, place, name))
        for place, uri in tables.items()
        if storage.exists(uri)
    ]


def _threshold(directory: RunDirectory, place: str, name: str) -> float:
    return directory.read_json(f"{place}/{MODELS_FOLDER}/{name}/{MODEL_CARD_FILE}")["threshold"]


def render_folds(report: FoldsReport, number_of_thumbnails: int = 0) -> str:
    """Return the page as HTML. The parameters are those of `write_folds_report`."""
    folds, models = report.folds["folds"], report.folds["models"]
    pooled = [model["pooled"] for model in models.values()]
    return fill(
        "folds.html.j2",
        report=report,
        facts={
            "folds": len(folds),
            "groups": sum(fold["groups"] for fold in folds),
            "frames": sum(fold["frames"] for fold in folds),
        },
        plan=_plan(report.folds["plan"]),
        warnings={sentence: [] for sentence in _warnings(report.run)},
        sections=[*measured_sections(pooled, _videos(pooled[0])), _over_folds(list(models.values()))],
        pairs=by_pair(differences(report.folds)),
        rows=[_row(fold) for fold in folds],
        matrices={name: _matrix(model["pooled"]["frames"]) for name, model in models.items()},
        galleries=galleries(report.examples, number_of_thumbnails),
        views=views,
    )


def _plan(plan: str) -> str:
    if plan == "leave-one-out":
        return "One group is held out at a time."
    return f"The groups are divided into {plan} folds, and one fold is held out at a time."


def _warnings(run: Json) -> list[str]:
    return list(dict.fromkeys([*run.get("warnings", ()), *run.get("manifest", {}).get("notes", ())]))


def _videos(pooled: Json) -> int:
    """Return how many videos have a decision."""
    return sum(pooled["videos"][count] or 0 for count in ("tp", "fp", "fn", "tn"))


def _over_folds(models: Sequence[Json]) -> Section:
    """Return mean and spread over folds, of single frames."""
    rows = []
    for key, title in _MEASURES.items():
        rows.append(
            Row(f"{title}, mean", [Cell(number(model[key]["mean"]), strong=True) for model in models])
        )
        rows.append(Row("standard deviation", [Cell(number(model[key]["spread"])) for model in models]))
    return Section("Over folds (one prediction each frame)", rows, len(models) + 2)


@dataclass(frozen=True)
class FoldRow:
    """A line of the table of folds.

    Attributes
    ----------
    fold, frames : int
    held_out : str
        The first groups.
    cells : list of (str, str)
        F1 and balanced accuracy of each model.
    """

    fold: int
    held_out: str
    frames: int
    cells: list[tuple[str, str]]


def _row(fold: Json) -> FoldRow:
    named = ", ".join(fold["held_out"][:_NAMED_GROUPS])
    more = len(fold["held_out"]) - _NAMED_GROUPS
    measured = [model["frames"] for model in fold["models"].values()]
    return FoldRow(
        fold["fold"],
        f"{named} and {counted(more, 'other group')}" if more > 0 else named,
        fold["frames"],
        [(number(one["f1"]), number(one["balanced_accuracy"])) for one in measured],
    )


def _matrix(measured: Json) -> list[tuple[str, int, int]]:
    """Return a confusion matrix: rows of a label, frames predicted flip, and predicted notflip."""
    return [(Label.FLIP, measured["tp"], measured["fn"]), (Label.NOTFLIP, measured["fp"], measured["tn"])]
