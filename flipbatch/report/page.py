"""One page for a person: what a run scored, how well, and what to be careful about.

Knows a run's metrics, its tables and the cards of its bundles; knows no pixels, no Ray and no clock. The
page is one static HTML file that asks for nothing, neither scripts nor fonts nor images, and the same run
gives the same bytes.

Every text becomes markup through `tag`, which escapes whatever is not `Html` already: names, URIs and
errors come from outside, and a video may be called ``<script>``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipbatch import storage
from flipbatch.evaluation.counts import Counts
from flipbatch.report.figures import Report, gather
from flipbatch.report.warnings import Json, call_all_flip, look, warnings
from flipbatch.scoring.figures import BINS, LABELS, VideoFigures
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.totals import PartTotals

REPORT_FILE = "report.html"


def write_report(run: ScoringRun, metrics: Json, cards: Mapping[str, Json], totals: PartTotals) -> None:
    """Write ``report.html`` of a run whose tables are written.

    Parameters
    ----------
    run : ScoringRun
    metrics : mapping
        What ``metrics.json`` says.
    cards : mapping of str to mapping
        Name of each model to its model card, as `Bundle.card` gives it.
    totals : PartTotals
        Of all parts.

    Raises
    ------
    StorageError
    """
    page = render(gather(run, metrics, cards, totals))
    # A name that is no valid text on this machine (a file called with any bytes) must not stop a run.
    storage.write(run.directory.path(REPORT_FILE), page.encode(errors="backslashreplace"))


# ---------------------------------------------------------------------------------------- markup


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(element: str, *children: object, **attributes: object) -> Html:
    """Return an element; whatever is not `Html` is escaped.

    Parameters
    ----------
    element : str
    *children : object
        Markup, or anything that has a text.
    **attributes : object
        An underscore at the end of a name falls away (``class_``), others become hyphens.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items()
    )
    return Html(f"<{element}{written}>{join(*children)}</{element}>")


def join(*children: object) -> Html:
    """Return one after the other; whatever is not `Html` is escaped."""
    return Html("".join(child if isinstance(child, Html) else escape(str(child)) for child in children))


def _id(text: object) -> Html:
    """A name or URI as it is: wraps anywhere, and can't turn the direction of what follows."""
    return tag("span", text, class_="id")


def _table(head: Sequence[object], rows: Sequence[Html], class_: str) -> Html:
    header = tag("tr", *(one if isinstance(one, Html) else tag("th", one, scope="col") for one in head))
    table = tag("table", tag("thead", header), tag("tbody", *rows), class_=class_)
    return tag("div", table, class_="scroll", tabindex=0)


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None, missing: str = "undefined") -> str:
    return missing if value is None else f"{value:.3f}"


# ---------------------------------------------------------------------------------------- render


def render(report: Report) -> str:
    """Return the page.

    Parameters
    ----------
    report : Report
    """
    models = [_model(report, name) for name in report.metrics["models"]]
    body = [_head(report), _cautions(report), _comparison(report), *models, _errors(report), _foot(report)]
    return f"{_DOCUMENT_START}{''.join(f'{part}{chr(10)}' for part in body if part)}</main></body></html>\n"


def _head(report: Report) -> Html:
    run, frames = report.run["identity"], report.metrics["frames"]
    limit = f", the first {run['limit']:,} frames" if run["limit"] else ""
    source = tag(
        "p", "Frames of " if run["frames"] else "Manifest ", _id(run["frames"] or run["manifest"]), limit
    )
    facts = {
        "frames": frames["total"],
        "videos": report.metrics["videos"],
        "scored": frames["scored"],
        "errors": frames["total"] - frames["scored"],
        "labelled": frames["labelled"],
        "files that are no frames": frames["misnamed"],
    }
    tiles = [tag("div", tag("dt", name), tag("dd", f"{count:,}")) for name, count in facts.items()]
    misnamed = tag(
        "p", "The files that are no frames, by their names, are listed in ", _id("misnamed.parquet"), "."
    )
    more = [misnamed] if frames["misnamed"] else []
    return tag("header", tag("h1", "Page flips: scoring report"), source, tag("dl", *tiles), *more)


def _cautions(report: Report) -> Html | None:
    found = warnings(report.metrics, report.records)
    if not found:
        return None
    items = [
        tag("li", *([tag("b", ", ".join(names)), ": "] if names else []), tag("span", sentence, class_="say"))
        for sentence, names in found.items()
    ]
    return tag("section", tag("h2", "Before you read on"), tag("ul", *items), class_="warnings")


# ---------------------------------------------------------------------------------------- comparison

_MEASURES = {
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
}
_COUNTS = {
    "tp": "flip, called flip (tp)",
    "fn": "flip, called notflip (fn)",
    "fp": "notflip, called flip (fp)",
    "tn": "notflip, called notflip (tn)",
}


def _comparison(report: Report) -> Html:
    title = tag("h2", "The models side by side" if len(report.metrics["models"]) > 1 else "The model")
    if report.metrics["note"]:
        return tag("section", title, _decisions_table(report))
    return tag("section", title, _explanation(report), _measures_table(report.metrics["models"], report))


def _explanation(report: Report) -> Html:
    return tag(
        "p",
        "F1 is the harmonic mean of precision (of the frames called flip, the share that are) and recall (of "
        "the flip frames, the share that were found); balanced accuracy is the mean of the shares of flip "
        "and of notflip frames that were called right, 0.5 for a guess. Calling everything flip already has "
        "an F1 near 0.7 where both classes are equally frequent: the last column shows what it has here. "
        "Intervals are 95 %, over videos. A video without flip frames has F1 0 after a single false alarm, "
        "and none without. On videos that a model was trained on, all of this measures memory.",
        class_="note",
    )


def _measures_table(models: Json, report: Report) -> Html:
    """One column a model, and one for calling everything flip: it stays readable on a phone."""
    measured = [model["frames"] for model in models.values()]
    of_videos = [model["videos"] for model in models.values()]
    floor, video_floor = call_all_flip(measured[0]), call_all_flip(of_videos[0])
    columns = len(models) + 2
    rows = [
        _group("Each frame one decision", columns),
        _row("F1", [tag("b", _number(one["f1"])) for one in measured], _number(floor.f1)),
        _row("95 % interval", [_interval(one, floor.f1) for one in measured]),
        *_rows_of(_MEASURES, measured, floor, _number),
        *_rows_of(_COUNTS, measured, floor, _count),
        _group("Each video one decision", columns),
        _row("F1", [_number(one["f1"]) for one in of_videos], _number(video_floor.f1)),
        _row("95 % interval", [_interval(one, video_floor.f1) for one in of_videos]),
        *_rows_of({"balanced_accuracy": "balanced accuracy"}, of_videos, video_floor, _number),
        _group("F1 of each video's frames", columns),
        _row("mean", [_number(model["per_video"]["mean_f1"]) for model in models.values()]),
        _row("defined for", [_defined_for(model, report) for model in models.values()]),
        *_decision_rows(report),
    ]
    return _table(
        [*_model_heads(models), tag("th", "all flip", scope="col", class_="floor")], rows, "compare"
    )


def _rows_of(
    names: Mapping[str, str], measured: Sequence[Json], floor: Counts, form: Callable[[Any], str]
) -> list[Html]:
    return [
        _row(text, [form(one[name]) for one in measured], form(getattr(floor, name)))
        for name, text in names.items()
    ]


def _decisions_table(report: Report) -> Html:
    """Without labels: only how each model decided."""
    return _table(_model_heads(report.metrics["models"]), _decision_rows(report, floor=None), "compare")


def _decision_rows(report: Report, floor: str | None = "") -> list[Html]:
    models = report.metrics["models"]
    figures = [report.videos[name] for name in models]
    return [
        _group("Decisions", len(models) + (1 if floor is None else 2)),
        _row("threshold", [_number(model["threshold"]) for model in models.values()], floor),
        _row("frames called flip", [f"{one.flip_frames:,}" for one in figures], floor),
        _row("videos called flip", [f"{one.flip_videos:,}" for one in figures], floor),
    ]


def _model_heads(models: Json) -> list[Html]:
    scores = {name: model["frames"]["f1"] for name, model in models.items()}
    best = max((score for score in scores.values() if score is not None), default=None)
    marks = {name: len(scores) > 1 and best is not None and score == best for name, score in scores.items()}
    badge = tag("span", "best F1", class_="badge")
    heads = [
        tag("th", _id(name), *([" ", badge] if mark else []), scope="col") for name, mark in marks.items()
    ]
    return [tag("td"), *heads]


def _group(text: str, columns: int) -> Html:
    return tag("tr", tag("th", text, colspan=columns), class_="group")


def _row(text: str, cells: Sequence[object], floor: str | None = "") -> Html:
    last = [] if floor is None else [tag("td", floor, class_="floor")]
    return tag("tr", tag("th", text, scope="row"), *(tag("td", cell) for cell in cells), *last)


def _defined_for(model: Json, report: Report) -> str:
    return f"{model['per_video']['defined_for'] or 0:,} of {report.metrics['videos']:,} videos"


def _interval(measured: Json, floor: float | None) -> Html:
    """A line from 0 to 1 with the interval, F1 as a stroke and, fainter, calling everything flip."""
    if measured["f1_interval"] is None or measured["f1"] is None:
        return join("undefined")
    low, high = measured["f1_interval"]
    text = f"{low:.3f}–{high:.3f}"
    marks = [
        _rect(0, 5, 100, 2, "track"),
        _rect(100 * low, 4, max(100 * (high - low), 0.5), 4, "span"),
        *([] if floor is None else [_rect(100 * floor - 0.5, 1, 1, 10, "floor")]),
        _rect(100 * measured["f1"] - 1, 0, 2, 12, "point"),
    ]
    bar = _svg("0 0 100 12", f"F1 {measured['f1']:.3f}, 95 % interval {text}", marks, "interval")
    return join(bar, tag("span", text, class_="small unbroken"))


def _svg(box: str, label: str, marks: Sequence[Html], class_: str) -> Html:
    """Stretches with its place, so it holds no text: that is HTML, and keeps its size on a phone."""
    attributes = {"viewBox": box, "preserveAspectRatio": "none", "role": "img", "aria_label": label}
    return tag("svg", *marks, class_=class_, **attributes)


def _rect(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> Html:
    numbers = {"x": x, "y": y, "width": width, "height": height}
    text = [tag("title", title)] if title else []
    return tag("rect", *text, class_=class_, **{key: f"{value:.2f}" for key, value in numbers.items()})


# ---------------------------------------------------------------------------------------- one model


def _model(report: Report, name: str) -> Html:
    origin = _origin(report.records.get(name, {}))
    return tag(
        "section",
        tag("h2", _id(name)),
        *([tag("p", origin, class_="note")] if origin else []),
        _distribution(report.histograms[name], report.metrics["models"][name]["threshold"]),
        _top_videos(report, report.videos[name]),
    )


def _origin(card: Json) -> str:
    """What the bundle's card says of how the model came about, as far as it says it."""
    weights = look(card, "training", "weights")
    told = {
        "architecture": card.get("architecture"),
        "training frames": look(card, "data", "frames", "train"),
        "training videos": look(card, "data", "videos", "train"),
        "started from": "random weights" if weights == "none" else weights,
        "temperature": _rounded(card.get("temperature")),
        "F1 on its own test frames": _rounded(look(card, "metrics", "test", "frames", "f1")),
        "of videos it had not seen": _rounded(look(card, "metrics", "test_unseen_videos", "frames", "f1")),
    }
    return " · ".join(f"{key} {value}" for key, value in told.items() if value is not None)


def _rounded(value: Any) -> str | None:
    return f"{value:.3f}" if isinstance(value, int | float) else None


def _distribution(counts: NDArray[np.int64], threshold: float) -> Html:
    totals = counts.sum(axis=1)
    heights = counts / np.maximum(counts.max(axis=1), 1)[:, None]
    panels = [
        _panel(label, counts[row], heights[row], threshold) for row, label in enumerate(LABELS) if totals[row]
    ]
    if not panels:
        return tag("p", "No frame was scored.", class_="note")
    ticks = tag("div", *(tag("span", f"{tick:g}") for tick in (0, 0.25, 0.5, 0.75, 1)), class_="ticks")
    caption = (
        f"Frames by flip probability, each row to its own scale. The line is the threshold, {threshold:.3f}."
    )
    figure = [*panels, ticks, tag("figcaption", caption)]
    return join(tag("h3", "Flip probabilities"), tag("figure", *figure))


def _panel(label: str, counts: NDArray[np.int64], heights: NDArray[np.float64], threshold: float) -> Html:
    kind = label.replace(" ", "-")
    bars = [
        _bar(index, int(count), float(heights[index]), kind) for index, count in enumerate(counts) if count
    ]
    marks = [*bars, _rect(100 * threshold - 0.15, 0, 0.3, 60, "threshold")]
    total = f"{counts.sum():,} frames"
    head = tag("div", tag("b", label, class_=f"text-{kind}"), " ", total, class_="small")
    svg = _svg("0 0 100 60", f"Flip probabilities of {total}, {label}", marks, "histogram")
    return tag("div", head, svg, class_="panel")


def _bar(index: int, count: int, height: float, kind: str) -> Html:
    width = 100 / BINS
    tall = max(58 * height, 1.5)
    title = f"{index / BINS:.2f} to {(index + 1) / BINS:.2f}: {count:,} frames"
    return _rect(index * width + 0.3, 60 - tall, width - 0.6, tall, f"bar-{kind}", title)


def _top_videos(report: Report, figures: VideoFigures) -> Html:
    labelled = report.metrics["frames"]["labelled"] > 0
    ranked = "wrong frames" if labelled else "frames called flip"
    wrong = f"{figures.wrong_videos:,} of {figures.videos:,} videos have a wrong frame. " if labelled else ""
    shown = f"{len(figures.top)} of {figures.videos:,} videos are shown; the table of all is "
    where = tag("p", wrong, shown, _id("videos/*.parquet"), ".", class_="note")
    more = ["label", "tp", "fp", "fn", "tn", "F1"] if labelled else ["called flip"]
    head = ["video", "frames", "mean p", "called", *more]
    rows = [_video(row, labelled) for row in figures.top]
    table = [_table(head, rows, "videos")] if rows else []
    return join(tag("h3", f"Videos with the most {ranked}"), where, *table)


def _video(row: Json, labelled: bool) -> Html:
    cells = [_count(row["frames"]), _number(row["mean_probability"], "–"), row["prediction"] or "–"]
    if labelled:
        cells += [row["label"] or "–", *(_count(row[name]) for name in ("tp", "fp", "fn", "tn"))]
        cells.append(_number(row["f1"]))
    else:
        cells.append(_count(row["predicted_flip_frames"]))
    return tag("tr", tag("th", _id(row["video_id"]), scope="row"), *(tag("td", cell) for cell in cells))


# ---------------------------------------------------------------------------------------- the rest


def _errors(report: Report) -> Html | None:
    if not report.errors:
        return None
    failed = report.metrics["frames"]["total"] - report.metrics["frames"]["scored"]
    shown = (
        f"{len(report.errors):,} of {failed:,} are shown, in the order of the manifest; all of them are in "
    )
    where = tag("p", shown, _id("predictions/"), ", where status is not ok.", class_="note")
    rows = [
        tag("tr", tag("th", _id(one.uri), scope="row"), tag("td", one.status), tag("td", _id(one.error)))
        for one in report.errors
    ]
    table = _table(["frame", "status", "error"], rows, "errors")
    return tag("section", tag("h2", "Frames with errors"), where, table)


def _foot(report: Report) -> Html:
    run = report.run
    prints = {"run": run["fingerprint"], "manifest": run["manifest"]["fingerprint"]}
    prints |= {name: model["bundle"] for name, model in run["identity"]["models"].items()}
    short = [f"{name} {value[:12]}" for name, value in prints.items()]
    versions = [f"{name} {version}" for name, version in run["versions"].items()]
    return tag(
        "footer",
        tag("p", "Fingerprints: ", _id(" · ".join(short))),
        tag("p", "Made with ", _id(" · ".join(versions))),
    )


_STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1d1f22; --soft: #63676d; --line: #e2e2de;
  --tile: #f3f3f0; --flip: #2b6cb0; --notflip: #b7661b; --none: #74797f; --caution: #fdf1dc;
  --edge: #d18b1f; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #15171a; --ink: #e4e4e1; --soft: #9a9fa6;
  --line: #30343a; --tile: #1e2125; --flip: #6aa9ea; --notflip: #e2a25f; --none: #8d9299; --caution: #33280f;
  --edge: #d79b3a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 58rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: 0 0 .75rem; }
section { margin-top: 2.5rem; }
.note, .small, figcaption, footer { color: var(--soft); font-size: .875rem; }
.id { overflow-wrap: anywhere; unicode-bidi: isolate; }
header .id, section .id, footer .id { font-family: ui-monospace, monospace; font-size: .92em; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .5rem;
  margin: 1rem 0 .75rem; }
dl div { background: var(--tile); border-radius: .4rem; padding: .5rem .75rem; display: flex;
  flex-direction: column-reverse; justify-content: flex-end; }
dt { color: var(--soft); font-size: .8rem; line-height: 1.3; }
dd { margin: 0; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.warnings { background: var(--caution); border-left: .3rem solid var(--edge); border-radius: .25rem;
  padding: 1rem 1.25rem; margin-top: 1.5rem; }
.warnings ul { margin: 0; padding-left: 1.1rem; }
.warnings li + li { margin-top: .4rem; }
.say { overflow-wrap: anywhere; }
.unbroken { white-space: nowrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; text-align: right; }
th { font-weight: 400; }
thead th { color: var(--soft); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
.compare thead th { color: var(--ink); font-weight: 600; }
.compare td { width: 11rem; min-width: 5.4rem; }
h2 .id, .compare thead .id { font: inherit; }
.compare tr:not(.group) th:first-child { position: sticky; left: 0; min-width: 6.5rem;
  background: var(--paper); }
.compare tbody th { color: var(--soft); }
.compare .group th { color: var(--ink); font-weight: 600; padding-top: 1rem; }
.compare td.floor, .compare thead th.floor { color: var(--soft); font-weight: 400; width: 5rem;
  min-width: 0; }
.compare b { font-size: 1.1rem; }
.badge { display: inline-block; background: var(--flip); color: var(--paper); border-radius: .7rem;
  font-size: .7rem; line-height: 1.2; padding: .15rem .45rem; white-space: nowrap; }
.videos { min-width: 40rem; }
.videos thead th { white-space: nowrap; }
.videos th:first-child { width: 45%; }
.errors th:first-child, .errors td { text-align: left; }
.errors th:first-child { width: 45%; }
.errors thead th { text-align: left; }
.errors td:nth-child(2) { white-space: nowrap; }
svg { display: block; width: 100%; }
.interval { height: .75rem; margin: .3rem 0 .1rem auto; max-width: 10rem; }
.interval .track { fill: var(--line); } .interval .span { fill: var(--flip); opacity: .45; }
.interval .point { fill: var(--flip); } .interval .floor { fill: var(--none); }
figure { margin: .5rem 0 0; }
.panel { margin-bottom: .6rem; }
.histogram { height: 4.5rem; border-bottom: 1px solid var(--none); }
.bar-flip { fill: var(--flip); } .bar-notflip { fill: var(--notflip); } .bar-no-label { fill: var(--none); }
.text-flip { color: var(--flip); } .text-notflip { color: var(--notflip); }
.threshold { fill: var(--ink); }
.ticks { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem;
  margin-top: -.4rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media (max-width: 34rem) { main { padding: 1.25rem .9rem 2rem; } th, td { padding: .3rem .35rem; }
  .compare td { width: auto; } .videos { min-width: 33rem; } .videos th:first-child { width: 32%; } }
@media print { :root { --paper: #fff; } body { font-size: 11pt; -webkit-print-color-adjust: exact;
  print-color-adjust: exact; }
  main { max-width: none; padding: 0; } .scroll { overflow: visible; } .videos { min-width: 0; }
  tr, .panel, figure, .warnings { break-inside: avoid; }
  h2, h3, h2 + p, h3 + p, .group { break-after: avoid; } }
"""

_DOCUMENT_START = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Page flips: scoring report</title>
<style>{_STYLE}</style></head>
<body><main>
"""
