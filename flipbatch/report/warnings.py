"""What a person must be told before reading a run's numbers, a sentence each.

Knows ``metrics.json`` and the cards of bundles; knows no tables and no markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flipbatch.evaluation.calibration import TEMPERATURES
from flipbatch.evaluation.counts import Counts
from flipbatch.models.architectures import ARCHITECTURES
from flipbatch.report.terminal import error_rate
from flipbatch.schema import Label

Json = Mapping[str, Any]


def warnings(metrics: Json, records: Mapping[str, Json]) -> dict[str, list[str]]:
    """Return what a person must know before believing the numbers.

    Parameters
    ----------
    metrics : mapping
        What ``metrics.json`` says.
    records : mapping of str to mapping
        Name to card of each model's bundle.

    Returns
    -------
    dict of str to list of str
        A sentence each, with the models that it is about; none where it is about the run.
    """
    found: dict[str, list[str]] = {sentence: [] for sentence in _about_run(metrics)}
    for name, model in metrics["models"].items():
        for sentence in [*_about_bundle(records.get(name, {})), *_about_result(model)]:
            found.setdefault(sentence, []).append(name)
    return found


def _about_run(metrics: Json) -> Iterator[str]:
    frames = metrics["frames"]
    if metrics["note"]:
        yield metrics["note"]
    elif frames["labelled"] < frames["total"]:
        yield (
            f"Only {frames['labelled']:,} of {frames['total']:,} frames have a label: what is measured, "
            "is measured on these."
        )
    if only := _of_one_label(metrics):
        yield f"All labelled frames are {only}: F1 can't tell a good model from one that always says so."
    if mixed := _mixed_engines(metrics):
        yield mixed
    if error_rate(metrics):
        failed = frames["total"] - frames["scored"]
        yield (
            f"{failed:,} of {frames['total']:,} frames ({error_rate(metrics):.2%}) could not be scored and "
            f"count neither for nor against a model: {_by_status(frames['errors'])}."
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
    """Return the label of all labelled and scored frames, where there is but one."""
    counts = [call_all_flip(model["frames"]) for model in metrics["models"].values()]
    if not counts or not counts[0].total or _has_both(counts[0]):
        return None
    return str(Label.FLIP if counts[0].tp else Label.NOTFLIP)


def _has_both(all_flip: Counts) -> bool:
    return all_flip.tp > 0 and all_flip.fp > 0


def _by_status(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in errors.items() if count)


def _about_bundle(card: Json) -> Iterator[str]:
    notes = look(card, "data", "warnings")
    notes = [str(note) for note in notes] if isinstance(notes, list) else []
    yield from (f"In training: {note}" for note in notes)
    if _started_from_nothing(card) and not any("scratch" in note for note in notes):
        yield "Trained from scratch, without ImageNet weights: with them it would likely do far better."
    # A search for the best temperature comes near a bound, and not onto it.
    if card.get("temperature", 0) > 0.999 * TEMPERATURES[1]:
        yield (
            f"Its temperature is at the bound of {TEMPERATURES[1]:g}: on validation its outputs said little "
            "about the label, so all its probabilities lie near 0.5."
        )


def _about_result(model: Json) -> Iterator[str]:
    f1, floor = model["frames"]["f1"], call_all_flip(model["frames"])
    if f1 is not None and floor.f1 is not None and _has_both(floor) and f1 <= floor.f1:
        yield f"No better than calling every frame flip, which has F1 {floor.f1:.3f} on these frames."


def _started_from_nothing(card: Json) -> bool:
    known = ARCHITECTURES.get(str(card.get("architecture")))
    return known is not None and known.pretrained and look(card, "training", "weights") == "none"


def call_all_flip(measured: Json) -> Counts:
    """Return the counts of calling everything ``flip``, from the counts of any other decisions.

    Parameters
    ----------
    measured : mapping
        With ``tp``, ``fp``, ``fn``, ``tn``; each None where nothing both labelled and scored was decided.
    """
    if measured["tp"] is None:
        return Counts()
    return Counts(tp=measured["tp"] + measured["fn"], fp=measured["fp"] + measured["tn"])


def look(value: Any, *keys: str) -> Any:
    """Follow keys into a bundle's record, which may lack any of them."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
