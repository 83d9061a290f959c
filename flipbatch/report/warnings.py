"""Warnings about a run's numbers, one sentence each.

Knows ``metrics.json``, model cards and the notes of a run. Knows no tables and no markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flipbatch.evaluation.calibration import TEMPERATURES
from flipbatch.evaluation.counts import Counts
from flipbatch.models.architectures import ARCHITECTURES
from flipbatch.report.contents import Json, look
from flipbatch.report.terminal import error_rate
from flipbatch.runtime.wording import counted, numbered
from flipbatch.schema import Label

_LABELLED = "{has a label: the metrics are of this frame|have a label: the metrics are of these frames}"


def warnings(
    metrics: Json, model_cards: Mapping[str, Json], notes: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Return what a reader must know before trusting the numbers.

    Parameters
    ----------
    metrics : mapping
        The content of ``metrics.json``.
    model_cards : mapping of str to mapping
        The content of each model's ``model.json``, by name. Any key may be missing.
    notes : sequence of str
        What ``run.json`` says about the manifest, a sentence each.

    Returns
    -------
    dict of str to list of str
        Each sentence with the names of the models that it is about; none if it is about the run.
    """
    found: dict[str, list[str]] = {sentence: [] for sentence in [*_about_run(metrics), *notes]}
    for name, model in metrics["models"].items():
        for sentence in [*_about_model_card(model_cards.get(name, {})), *about_result(model)]:
            found.setdefault(sentence, []).append(name)
    return found


def _about_run(metrics: Json) -> Iterator[str]:
    frames = metrics["frames"]
    if metrics["note"]:
        yield metrics["note"]
    elif frames["labelled"] < frames["total"]:
        yield (
            f"Only {frames['labelled']:,} of {counted(frames['total'], 'frame')} "
            f"{numbered(_LABELLED, frames['labelled'])} alone."
        )
    if only := _of_one_label(metrics):
        yield f"All labelled frames are {only}: the metrics can't tell a good model from a constant one."
    if mixed := _mixed_engines(metrics):
        yield mixed
    if error_rate(metrics):
        failed = frames["total"] - frames["scored"]
        yield (
            f"{failed:,} of {counted(frames['total'], 'frame')} ({error_rate(metrics):.2%}) could not be "
            f"scored and {numbered('{counts|count}', failed)} neither for nor against a model: "
            f"{_by_status(frames['errors'])}."
        )


def _mixed_engines(metrics: Json) -> str | None:
    """Return the sentence about a run that several engines scored."""
    engines = [
        f"{one['engine']} in {one['precision']} on {one['device']}" for one in metrics.get("engines", [])
    ]
    if len(engines) < 2:
        return None
    return (
        f"{len(engines)} engines scored this run ({', '.join(engines)}): the probabilities of one frame "
        "differ between engines, by some thousandths."
    )


def _of_one_label(metrics: Json) -> str | None:
    """Return the label of all labelled and scored frames; None if there are both."""
    counts = [call_all_flip(model["frames"]) for model in metrics["models"].values()]
    if not counts or not counts[0].total or _has_both(counts[0]):
        return None
    return str(Label.FLIP if counts[0].tp else Label.NOTFLIP)


def _has_both(all_flip: Counts) -> bool:
    return all_flip.tp > 0 and all_flip.fp > 0


def _by_status(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in errors.items() if count)


def _about_model_card(model_card: Json) -> Iterator[str]:
    notes = notes_of_training(model_card)
    yield from (f"In training: {note}" for note in notes)
    yield from about_fit(model_card)


def notes_of_training(model_card: Json) -> list[str]:
    """Return what a model card says of its frames, a sentence each."""
    notes = look(model_card, "data", "warnings")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def about_fit(model_card: Json) -> Iterator[str]:
    """Say what is doubtful about the weights and the calibration of a model."""
    notes = notes_of_training(model_card)
    if _trained_from_scratch(model_card) and not any("scratch" in note for note in notes):
        yield "Trained from scratch: ImageNet weights usually give a much better model."
    # The fitted temperature comes near its bound, not exactly onto it.
    if model_card.get("temperature", 0) > 0.999 * TEMPERATURES[1]:
        yield (
            f"Its temperature is at the bound of {TEMPERATURES[1]:g}: its outputs on validation hardly "
            "depend on the label, so all its probabilities are near the share of flips."
        )


def about_result(model: Json) -> Iterator[str]:
    """Say that a model is no better than a constant; `model` has ``frames`` as in ``metrics.json``."""
    f1, floor = model["frames"]["f1"], call_all_flip(model["frames"])
    if f1 is not None and floor.f1 is not None and _has_both(floor) and f1 <= floor.f1:
        yield f"No better than predicting flip for every frame, which has F1 {floor.f1:.3f} on these frames."


def _trained_from_scratch(model_card: Json) -> bool:
    known = ARCHITECTURES.get(str(model_card.get("architecture")))
    return known is not None and known.pretrained and look(model_card, "training", "weights") == "none"


def call_all_flip(measured: Json) -> Counts:
    """Return the counts of predicting ``flip`` for everything, from the counts of any other predictions.

    Parameters
    ----------
    measured : mapping
        With ``tp``, ``fp``, ``fn``, ``tn``; each None if no frame is both labelled and scored.
    """
    if measured["tp"] is None:
        return Counts()
    return Counts(tp=measured["tp"] + measured["fn"], fp=measured["fp"] + measured["tn"])
