"""Warnings about a training run, one sentence each: leaks, few groups, unequal classes, weak models.

Knows ``run.json``, ``comparison.json`` and model cards. Knows no tables and no markup.
"""

from __future__ import annotations

from collections.abc import Iterator

from flipbatch.evaluation.bootstrap import GROUPS_FOR_SIGNIFICANCE
from flipbatch.report.contents import Json, look
from flipbatch.report.training_contents import TrainingReport
from flipbatch.report.warnings import about_fit, about_result, notes_of_training
from flipbatch.runtime.wording import counted
from flipbatch.schema import Split

RAREST_CLASS = 0.2
"""A smaller share of either class in training is a warning."""

_USE = {
    Split.VAL: "epoch, calibration and threshold are chosen on few scenes",
    Split.TEST: "intervals are wide, and no difference between models is significant",
}


def training_warnings(report: TrainingReport) -> dict[str, list[str]]:
    """Return what a reader must know before trusting the numbers.

    Returns
    -------
    dict of str to list of str
        Each sentence with the names of the models that it is about; none if it is about the run.
    """
    found: dict[str, list[str]] = {sentence: [] for sentence in _about_run(report)}
    for name, model_card in report.model_cards.items():
        measured = report.comparison["models"][name]
        weak = about_result(measured) if measured["frames"] else ()
        for sentence in (*about_fit(model_card), *weak):
            found.setdefault(sentence, []).append(name)
    return found


def _about_run(report: TrainingReport) -> Iterator[str]:
    """Say what is doubtful about the frames, which are the same for all models."""
    yield from report.run.get("warnings", ())
    yield from look(report.run, "manifest", "notes") or ()
    for model_card in report.model_cards.values():
        yield from notes_of_training(model_card)
        yield from _about_data(model_card.get("data", {}))


def _about_data(data: Json) -> Iterator[str]:
    frames, flips = look(data, "frames", Split.TRAIN), look(data, "flips", Split.TRAIN)
    if frames and flips is not None and not RAREST_CLASS <= flips / frames <= 1 - RAREST_CLASS:
        yield (
            f"The classes are unequal: {flips / frames:.0%} of the training frames are flips. Read balanced "
            "accuracy, not accuracy."
        )
    for split, use in _USE.items():
        groups = look(data, "groups", split)
        if groups is not None and 0 < groups < GROUPS_FOR_SIGNIFICANCE:
            title = "validation" if split == Split.VAL else "test"
            yield f"The {title} split has only {counted(groups, 'group')} of videos: {use}."
