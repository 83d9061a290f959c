"""What a command prints when it has finished: lines of at most 80 columns.

Knows ``metrics.json`` and ``comparison.json``. Knows no tables and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flipbatch.errors import printable
from flipbatch.report.adapted import adapted_sentences
from flipbatch.report.differences import by_pair, differences
from flipbatch.report.score_table import score_table
from flipbatch.report.values import decimals, shortened, unseen_f1
from flipbatch.runtime.wording import counted, numbered

Metrics = Mapping[str, Any]


def error_rate(metrics: Metrics) -> float:
    """Return the share of frames without a probability, 0 to 1."""
    frames = metrics["frames"]
    return (frames["total"] - frames["scored"]) / max(1, frames["total"])


def summary_lines(metrics: Metrics) -> list[str]:
    """Return what was scored and how well."""
    frames = metrics["frames"]
    total, videos = counted(frames["total"], "frame"), counted(metrics["videos"], "video")
    lines = [f"{frames['scored']:,} of {total} of {videos} scored"]
    lines += [f"  {count:,} {status}" for status, count in frames["errors"].items() if count]
    lines += _misnamed_lines(frames["misnamed"], metrics.get("misnamed_examples", []))
    lines += [shortened(sentence, 80) for sentence in adapted_sentences(metrics)]
    turns = _page_turn_lines(metrics["models"])
    if metrics["note"]:
        return [*lines, *turns, metrics["note"]]
    table = score_table(metrics["models"], "video F1", lambda model: (model["videos"] or {}).get("f1"))
    return [*lines, *table, *turns, *_difference_lines(metrics)]


def _page_turn_lines(models: Mapping[str, Metrics]) -> list[str]:
    """Return how many page turns each model found in videos, and how well where labels tell."""
    found = {name: model for name, model in models.items() if model.get("page_turns")}
    return [_page_turn_line(shortened(name, 24), model) for name, model in found.items()]


def _page_turn_line(name: str, model: Metrics) -> str:
    numbers = f"{counted(model['page_turns'], 'page turn')}, {counted(model['stills'], 'still')}"
    f1 = (model["events"] or {}).get("f1")
    return f"{name}: {numbers}" + (f", F1 of turns {decimals(f1, '-')}" if f1 is not None else "")


def _misnamed_lines(number: int, first: Sequence[str]) -> list[str]:
    """Return the number of files that are not frames, and a line for each of the first ones."""
    if not number:
        return []
    what = "{count} {file is not a frame|files are not frames}: see misnamed.parquet"
    lines = [f"  {numbered(what, number)}"]
    lines += [f"    {_end(printable(uri), 76)}" for uri in first]
    return [*lines, "    …"] if first and number > len(first) else lines


def _end(uri: str, width: int) -> str:
    return uri if len(uri) <= width else "…" + uri[1 - width :]


def comparison_lines(comparison: Metrics) -> list[str]:
    """Return how the trained models compare on the test split."""
    table = score_table(comparison["models"], "unseen F1", unseen_f1)
    chosen_by = comparison.get("chosen_by", "F1 on the test split")
    return [*table, *_difference_lines(comparison), f"best by {chosen_by}: {comparison['best']}"]


def _difference_lines(metrics: Metrics) -> list[str]:
    """Return a line per pair of models, and one per measure below it."""
    lines = []
    for model, minus, found in by_pair(differences(metrics)):
        lines.append(f"{shortened(model, 24)} - {shortened(minus, 24)}, with 95 % intervals:")
        for one in found:
            result = f"{shortened(one.better, 16)} is better" if one.better else one.undecided
            interval = f"{one.low:+.3f} to {one.high:+.3f}"
            lines.append(f"  {one.measure:<26}{one.value:+.3f}  {interval}  {result}")
    return lines


# ---------------------------------------------------------------------------------------- folds


def folds_lines(folds: Metrics) -> list[str]:
    """Return ``folds.json`` as two tables of lines of at most 80 columns.

    Parameters
    ----------
    folds : mapping
        The content of ``folds.json``.

    Returns
    -------
    list of str
        A line per fold and model, then two per model: mean and spread over folds, and all folds pooled.
    """
    width = max(5, min(22, max(map(len, folds["models"]))))
    lines = [f"{'fold':>4}  {'model':<{width}}{'frames':>9}{'groups':>8}{'F1':>8}{'balanced':>10}"]
    for fold in folds["folds"]:
        for name, model in fold["models"].items():
            numbers = f"{fold['frames']:>9}{fold['groups']:>8}{_shown(model['frames']['f1']):>8}"
            balanced = _shown(model["frames"]["balanced_accuracy"])
            lines.append(f"{fold['fold']:>4}  {name[:width]:<{width}}{numbers}{balanced:>10}")
    header = f"{'mean':>7}{'spread':>8}{'pooled':>8}  95 % interval"
    lines += ["", f"{'all folds':<{width + 10}}{header}"]
    for name, model in folds["models"].items():
        for key, title in (("f1", "F1"), ("balanced_accuracy", "balanced")):
            pooled, over = model["pooled"]["frames"], model[key]
            numbers = f"{_shown(over['mean']):>7}{_shown(over['spread']):>8}{_shown(pooled[key]):>8}"
            interval = pooled[f"{key}_interval"]
            between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
            lines.append(f"{name[:width]:<{width}} {title:<9}{numbers}  {between}")
    return [*lines, *_difference_lines(folds)]


def _shown(value: float | None) -> str:
    return decimals(value, "-")
