"""Curves of one model, drawn by matplotlib: learning, precision and recall, reliability.

Knows numbers and how they are plotted. Does not know files, markup or how curves are computed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.threshold import is_flip
from flipbatch.report.contents import Json, look
from flipbatch.report.pictures import Picture, data_uri
from flipbatch.report.values import number
from flipbatch.runtime.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (4.4, 2.9)

_THEMES = {
    "light": {
        "ink": "#1d1f22",
        "soft": "#63676d",
        "line": "#e2e2de",
        "first": "#2b6cb0",
        "second": "#b7661b",
    },
    "dark": {"ink": "#e4e4e1", "soft": "#9a9fa6", "line": "#30343a", "first": "#6aa9ea", "second": "#e2a25f"},
}
"""As in ``report.css``; ``first`` and ``second`` are the colours of curves."""

Colours = dict[str, str]
Draw = Callable[["Axes", Colours], None]


def learning_curve(history: Sequence[Json], key: str, title: str, kept: int) -> Picture:
    """Draw a value of training and validation over epochs, and mark the epoch whose weights were kept.

    Parameters
    ----------
    history : sequence of mapping
        Of a model card; a value that is None leaves a gap.
    key : str
        ``loss`` or ``f1``.
    title : str
    kept : int
        The best epoch, counted from 0.
    """
    from matplotlib.ticker import MaxNLocator

    epochs = [entry["epoch"] + 1 for entry in history]
    passes = {name: _values(history, name, key) for name in ("train", "val")}

    def draw(axes: Axes, colours: Colours) -> None:
        axes.plot(epochs, passes["train"], color=colours["second"], label="training", marker=_dot(epochs))
        axes.plot(epochs, passes["val"], color=colours["first"], label="validation", marker=_dot(epochs))
        axes.axvline(kept + 1, color=colours["soft"], linestyle=":", label="epoch kept")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()

    at_kept = f"{number(history[kept]['val'][key])} on validation in epoch {kept + 1}, which was kept"
    text = f"{title} over {counted(len(epochs), 'epoch')}; {at_kept}"
    return _picture(draw, text, "epoch", title)


def _values(history: Sequence[Json], name: str, key: str) -> NDArray[np.float64]:
    return np.array([entry[name][key] for entry in history], dtype=np.float64)


def _dot(values: Sequence[int]) -> str:
    """Mark each value if there are few: a single one makes no line."""
    return "o" if len(values) < 30 else ""


def precision_recall_curve(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], threshold: float
) -> Picture:
    """Draw precision against recall at all thresholds, and mark the one that is used.

    Parameters
    ----------
    probability : ndarray
        (N,), in [0, 1].
    truth : ndarray
        (N,), whether the frame is a flip; at least one is.
    threshold : float
    """
    from sklearn.metrics import precision_recall_curve as at_all_thresholds

    precision, recall, _ = at_all_thresholds(truth, probability)
    predicted = is_flip(probability, threshold)
    found = int((predicted & truth).sum())
    at = found / int(truth.sum()), found / max(1, int(predicted.sum()))

    def draw(axes: Axes, colours: Colours) -> None:
        axes.step(recall, precision, color=colours["first"], where="post")
        axes.axhline(float(truth.mean()), color=colours["soft"], linestyle=":", label="all flip")
        axes.plot(
            *at,
            marker="o",
            linestyle="",
            color=colours["second"],
            label=f"threshold {threshold:.3f}",
            clip_on=False,
        )
        axes.set(xlim=(0, 1.01), ylim=(0, 1.03))
        axes.legend(loc="lower left")

    text = f"precision {at[1]:.3f} and recall {at[0]:.3f} at the threshold {threshold:.3f}"
    return _picture(draw, f"Precision against recall; {text}", "recall", "precision")


def reliability_curve(model_card: Json) -> Picture | None:
    """Draw the reliability curve of a model card; None if it has none."""
    entries = look(model_card, "calibration", "reliability")
    found = [entry for entry in entries if _has_frames(entry)] if isinstance(entries, list) else []
    if not found:
        return None
    predicted, flips, frames = (
        np.array([entry[key] for entry in found]) for key in ("mean_probability", "share_of_flips", "frames")
    )

    def draw(axes: Axes, colours: Colours) -> None:
        axes.plot([0, 1], [0, 1], color=colours["soft"], linestyle=":")
        axes.plot(predicted, flips, color=colours["first"], linewidth=1)
        axes.scatter(predicted, flips, 12 + 90 * frames / frames.max(), colours["first"], clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1))

    of_frames = counted(int(frames.sum()), "validation frame")
    text = f"Share of flips against mean predicted probability, of {of_frames}"
    return _picture(draw, text, "mean probability", "share of flips")


def _has_frames(entry: Any) -> bool:
    numbers = [look(entry, key) for key in ("frames", "mean_probability", "share_of_flips")]
    return all(isinstance(number, int | float) for number in numbers) and numbers[0] > 0


# ---------------------------------------------------------------------------------------- drawing


def _picture(draw: Draw, text: str, x: str, y: str) -> Picture:
    return Picture(_svg(draw, _THEMES["light"], x, y), _svg(draw, _THEMES["dark"], x, y), text)


def _svg(draw: Draw, colours: Colours, x: str, y: str) -> str:
    """Draw in one theme; the same values give the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_style(colours)):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.add_subplot()
        draw(axes, colours)
        axes.set(xlabel=x, ylabel=y)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return data_uri(file.getvalue(), "image/svg+xml")


def _style(colours: Colours) -> dict[Any, Any]:
    return {
        "svg.hashsalt": "flipbatch",
        "font.size": 10,
        "text.color": colours["ink"],
        "axes.edgecolor": colours["line"],
        "axes.labelcolor": colours["soft"],
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": colours["line"],
        "grid.linewidth": 0.6,
        "xtick.color": colours["line"],
        "ytick.color": colours["line"],
        "xtick.labelcolor": colours["soft"],
        "ytick.labelcolor": colours["soft"],
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        "lines.markersize": 5,
    }
