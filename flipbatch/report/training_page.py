"""The HTML report of a training run: curves, measures and mistakes of each model, in one file.

Fills ``training.html.j2``. The same run over the same frames gives the same bytes. Does not know pixels or
Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flipbatch.evaluation.columns import equals
from flipbatch.report import views
from flipbatch.report.contents import Json, look
from flipbatch.report.curves import learning_curve, precision_recall_curve, reliability_curve
from flipbatch.report.differences import by_pair, differences
from flipbatch.report.folds_page import write_folds_report
from flipbatch.report.gallery import DEFAULT_THUMBNAILS, galleries
from flipbatch.report.html import fill, write_page
from flipbatch.report.pictures import Picture
from flipbatch.report.training_contents import TrainingReport, gather_training
from flipbatch.report.training_warnings import training_warnings
from flipbatch.report.views import Section, measured_rows, measured_sections
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.runtime.wording import counted
from flipbatch.schema import Label, Split

_SPLITS = {Split.TRAIN: "training", Split.VAL: "validation", Split.TEST: "test"}

_OTHERS = {
    "test_unseen_groups": "Test frames of groups without training frames",
    "validation": "Validation frames, on which epoch and threshold were chosen",
}


def write_training_report(
    directory: RunDirectory, result: Json, number_of_thumbnails: int = DEFAULT_THUMBNAILS
) -> None:
    """Write ``report.html`` of a run whose models are trained.

    Parameters
    ----------
    directory : RunDirectory
    result : mapping
        The content of ``comparison.json``, or of ``folds.json``: then the page is that of `folds_page`.
    number_of_thumbnails : int
        See `galleries`; 0 for none.

    Raises
    ------
    StorageError
    """
    if "folds" in result:
        write_folds_report(directory, result, number_of_thumbnails)
        return
    report = gather_training(directory, result)
    write_page(directory, render_training(report, number_of_thumbnails))


def render_training(report: TrainingReport, number_of_thumbnails: int = 0) -> str:
    """Return the page as HTML. The parameters are those of `write_training_report`."""
    names = list(report.model_cards)
    return fill(
        "training.html.j2",
        report=report,
        facts=_facts(report.model_cards[names[0]]),
        warnings=training_warnings(report),
        sections=_sections(report),
        pairs=by_pair(differences(report.comparison)),
        stories={name: _story(card) for name, card in report.model_cards.items()},
        curves={name: _curves(report, name) for name in names},
        matrices={name: _matrices(report.comparison["models"][name]) for name in names},
        galleries=galleries(report.examples, number_of_thumbnails),
        views=views,
    )


def _facts(model_card: Json) -> dict[str, int]:
    """Return the counts of the page's head; they are the same in all model cards."""
    data = model_card["data"]
    frames = {f"{title} frames": data["frames"][split] for split, title in _SPLITS.items()}
    groups = {f"{title} groups": data.get("groups", {}).get(split) for split, title in _SPLITS.items()}
    return {**frames, **groups}


def _sections(report: TrainingReport) -> list[Section]:
    """Return the sections of the comparison: the test split first, if there is one."""
    models = list(report.comparison["models"].values())
    videos = report.model_cards[report.comparison["best"]]["data"]["videos"][Split.TEST]
    of_test = measured_sections(models, videos) if models[0]["frames"] else []
    others = [
        Section(title, measured_rows([model[key]["frames"] for model in models]), len(models) + 2)
        for key, title in _OTHERS.items()
        if models[0].get(key)
    ]
    return [*of_test, *others]


def _story(model_card: Json) -> str:
    """Return how the training of a model went, in a sentence."""
    training = model_card["training"]
    kept, epochs = training["best_epoch"] + 1, counted(training["epochs_run"], "epoch")
    ended = "stopped early" if training["stopped_early"] else "ran to its last epoch"
    return f"Training {ended}, after {epochs}; the weights of epoch {kept} were kept."


def _curves(report: TrainingReport, name: str) -> list[Picture]:
    card = report.model_cards[name]
    history, kept = card["history"], card["training"]["best_epoch"]
    learning = [learning_curve(history, key, key_title, kept) for key, key_title in _LEARNING.items()]
    others = (_precision_recall(report, name), reliability_curve(card))
    return [*learning, *(picture for picture in others if picture is not None)]


_LEARNING = {"loss": "loss", "f1": "F1"}


def _precision_recall(report: TrainingReport, name: str) -> Picture | None:
    """Return the curve of the test frames; None if they are not known or none is a flip."""
    frames = report.test_frames.get(name)
    truth = equals(frames["label"], Label.FLIP) if frames is not None else np.zeros(0, dtype=bool)
    if frames is None or not truth.any():
        return None
    probability = frames["flip_probability"].to_numpy()
    return precision_recall_curve(probability, truth, report.model_cards[name]["threshold"])


def _matrices(measured: Mapping[str, Any]) -> dict[str, Sequence[tuple[str, int, int]]]:
    """Return confusion matrices by title: rows of a label, frames predicted flip, and predicted notflip."""
    found = {f"test {level}": look(measured, level) for level in ("frames", "videos")}
    return {
        title: [(Label.FLIP, one["tp"], one["fn"]), (Label.NOTFLIP, one["fp"], one["tn"])]
        for title, one in found.items()
        if look(one, "tp") is not None
    }
