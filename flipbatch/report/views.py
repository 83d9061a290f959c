"""Rows and cells of the report as texts, in the order of the page.

Knows ``metrics.json``, ``run.json`` and model cards. Does not know markup or colours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flipbatch.evaluation.counts import Counts
from flipbatch.report.contents import Json, Report, look
from flipbatch.report.plots import Plot, interval
from flipbatch.report.values import count, number, unseen_f1
from flipbatch.report.warnings import call_all_flip
from flipbatch.runtime.wording import counted

MEASURES = {"precision": "precision", "recall": "recall", "accuracy": "accuracy"}
EVENT_MEASURES = {"f1": "F1 of turns", "precision": "precision", "recall": "recall"}
COUNTS = {
    "tp": "flip, predicted flip (tp)",
    "fn": "flip, predicted notflip (fn)",
    "fp": "notflip, predicted flip (fp)",
    "tn": "notflip, predicted notflip (tn)",
}


@dataclass(frozen=True)
class Cell:
    """A text, perhaps with a plot above it."""

    text: str
    strong: bool = False
    plot: Plot | None = None


@dataclass(frozen=True)
class Row:
    """A title and a cell per model. `floor` is the cell of the baseline, None for no such column."""

    title: str
    cells: Sequence[Cell]
    floor: str | None = ""


@dataclass(frozen=True)
class Section:
    """Rows under one title."""

    title: str
    rows: Sequence[Row]
    columns: int


def source(report: Report) -> str:
    """Return the URI that the frames come from."""
    identity = report.run["identity"]
    return identity["frames"] or identity["manifest"]


def labelled(report: Report) -> bool:
    """Return whether any frame has a label."""
    return report.metrics["frames"]["labelled"] > 0


def facts(report: Report) -> dict[str, int]:
    """Return the counts of the page's head."""
    frames = report.metrics["frames"]
    return {
        "frames": frames["total"],
        "videos": report.metrics["videos"],
        "scored": frames["scored"],
        "errors": frames["total"] - frames["scored"],
        "labelled": frames["labelled"],
        "files that are not frames": frames["misnamed"],
    }


def failed(report: Report) -> dict[str, int]:
    """Return how many frames have each status but ``ok``, the most frequent first."""
    counts = report.metrics["frames"]["errors"]
    return {
        status.replace("_", " "): counts[status]
        for status in sorted(counts, key=lambda status: -counts[status])
        if counts[status]
    }


# ---------------------------------------------------------------------------------------- comparison


def best_f1(report: Report) -> set[str]:
    """Return the names of the models whose F1 is the largest of several."""
    scores = {name: model["frames"]["f1"] for name, model in report.metrics["models"].items()}
    best = max((score for score in scores.values() if score is not None), default=None)
    return {name for name, score in scores.items() if len(scores) > 1 and best is not None and score == best}


def comparison(report: Report) -> list[Section]:
    """Return the sections of the comparison; without labels, only the predictions."""
    models = list(report.metrics["models"].values())
    if report.metrics["note"]:
        return [_predictions(report, None), *_page_turns(models, None)]
    *before, last = measured_sections(models, report.metrics["videos"])
    return [*before, _predictions(report, ""), last, *_page_turns(models, "")]


def measured_sections(models: Sequence[Json], videos: int) -> list[Section]:
    """Return the sections of measures: of videos, of frames, and of the frames of each video.

    Parameters
    ----------
    models : sequence of mapping
        Of each model ``frames``, ``videos`` and ``per_video``, as in ``metrics.json``.
    videos : int
        How many videos there are.
    """
    columns = len(models) + 2
    frames, of_videos = [model["frames"] for model in models], [model["videos"] for model in models]
    return [
        Section("Per video (one prediction each)", measured_rows(of_videos), columns),
        Section("Per frame (one prediction each)", [*measured_rows(frames), *_details(frames)], columns),
        Section("F1 of each video's frames", _per_video(models, videos), columns),
    ]


def measured_rows(measured: Sequence[Json]) -> list[Row]:
    """Return balanced accuracy first, then F1, each with its interval."""
    floor = call_all_flip(measured[0])
    rows = []
    for key, title in (("balanced_accuracy", "balanced accuracy"), ("f1", "F1")):
        at_floor = getattr(floor, key)
        cells = [Cell(number(one[key]), strong=True) for one in measured]
        rows.append(Row(title, cells, number(at_floor)))
        intervals = [_interval(one, key, title, at_floor) for one in measured]
        rows.append(Row("95 % interval", intervals))
    return rows


def _interval(measured: Json, key: str, title: str, floor: float | None) -> Cell:
    ends, value = measured.get(f"{key}_interval"), measured[key]
    if ends is None or value is None:
        return Cell("undefined")
    text = f"{ends[0]:.3f}–{ends[1]:.3f}"
    label = f"{title} {value:.3f}, 95 % interval {text}"
    return Cell(text, plot=interval(value, ends[0], ends[1], floor, label))


def _details(frames: Sequence[Json]) -> list[Row]:
    floor = call_all_flip(frames[0])
    return [*_rows_of(MEASURES, frames, floor, number), *_rows_of(COUNTS, frames, floor, count)]


def _rows_of(
    titles: Mapping[str, str], measured: Sequence[Json], floor: Counts, form: Callable[[Any], str]
) -> list[Row]:
    return [
        Row(title, [Cell(form(one[key])) for one in measured], form(getattr(floor, key)))
        for key, title in titles.items()
    ]


def _per_video(models: Sequence[Json], videos: int) -> list[Row]:
    of_all = counted(videos, "video")
    defined = [f"{model['per_video']['defined_for'] or 0:,} of {of_all}" for model in models]
    means = [Cell(number(model["per_video"]["mean_f1"])) for model in models]
    return [Row("mean", means), Row("defined for", [Cell(text) for text in defined])]


def _predictions(report: Report, floor: str | None) -> Section:
    models = report.metrics["models"]
    figures = [report.videos[name] for name in models]
    rows = [
        Row("threshold", [Cell(number(model["threshold"])) for model in models.values()], floor),
        Row("frames predicted flip", [Cell(f"{one.flip_frames:,}") for one in figures], floor),
        Row("videos predicted flip", [Cell(f"{one.flip_videos:,}") for one in figures], floor),
    ]
    return Section("Predictions", rows, len(models) + (1 if floor is None else 2))


def _page_turns(models: Sequence[Json], floor: str | None) -> list[Section]:
    """Return how many page turns were found, and how well where labels tell; nothing if there are none."""
    if not any(model.get("page_turns") for model in models):  # an older version did not count them
        return []
    found = [Cell(f"{model['page_turns']:,}") for model in models]
    rows = [Row("page turns found", found, floor)]
    if any(model["events"] for model in models):
        rows += [Row(title, _of_events(models, key), floor) for key, title in EVENT_MEASURES.items()]
    if any(model["frames_smoothed"] for model in models):
        smoothed = [Cell(number(look(model, "frames_smoothed", "f1"))) for model in models]
        rows.append(Row("F1 of frames, smoothed", smoothed, floor))
    return [Section("Page turns (frames in their order)", rows, len(models) + (1 if floor is None else 2))]


def _of_events(models: Sequence[Json], key: str) -> list[Cell]:
    return [Cell(number(look(model, "events", key)), strong=key == "f1") for model in models]


# ---------------------------------------------------------------------------------------- one model


def origin(model_card: Json) -> dict[str, Any]:
    """Return titles and values of how a model was trained, as far as its model card has them."""
    weights = look(model_card, "training", "weights")
    error = ("calibration", "expected_calibration_error")
    facts = {
        "architecture": model_card.get("architecture"),
        "training frames": look(model_card, "data", "frames", "train"),
        "training videos": look(model_card, "data", "videos", "train"),
        "started from": "random weights" if weights == "none" else weights,
        "temperature": _rounded(model_card.get("temperature")),
        "offset": _rounded(model_card.get("offset")),
        "calibration error before": _rounded(look(model_card, *error, "before")),
        "after": _rounded(look(model_card, *error, "after")),
        "F1 on its own test frames": _rounded(look(model_card, "metrics", "test", "frames", "f1")),
        "F1 on test groups not in training": _rounded(_unseen_f1(model_card)),
    }
    return {title: value for title, value in facts.items() if value is not None}


def _unseen_f1(model_card: Json) -> float | None:
    metrics = look(model_card, "metrics")
    return unseen_f1(metrics) if isinstance(metrics, Mapping) else None


def _rounded(value: Any) -> str | None:
    return f"{value:.3f}" if isinstance(value, int | float) else None


# ---------------------------------------------------------------------------------------- footer


def fingerprints(report: Report) -> str:
    """Return the first digits of the fingerprints of the run, its manifest and its models."""
    run = report.run
    prints = {"run": run["fingerprint"], "manifest": run["manifest"]["fingerprint"]}
    prints |= {name: model["bundle"] for name, model in run["identity"]["models"].items()}
    return " · ".join(f"{name} {value[:12]}" for name, value in prints.items())


def versions(run: Json) -> str:
    """Return the versions that a run was started with."""
    return " · ".join(f"{name} {version}" for name, version in run["versions"].items())
