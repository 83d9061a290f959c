"""The contents of a report: the files of a run and the sums of its rows.

Knows a run's totals. Does not know markup, and reads no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.examples import FrameExamples
from flipbatch.runtime.run_directory import RUN_FILE
from flipbatch.scoring.figures import FrameError, VideoFigures
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.totals import PartTotals

Json = Mapping[str, Any]
JsonByName = Mapping[str, Json]


@dataclass(frozen=True)
class Report:
    """Everything that the page shows.

    Attributes
    ----------
    run : mapping
        The content of ``run.json``.
    metrics : mapping
        The content of ``metrics.json``.
    model_cards : mapping of str to mapping
        The content of each model's ``model.json``, by name. Any key may be missing.
    histograms : mapping of str to ndarray
        Frames by label and probability of each model: int64 [3, BINS], rows as `scoring.figures.LABELS`.
    videos : mapping of str to VideoFigures
        By model.
    examples : mapping of str to FrameExamples
        The frames to look at, by model.
    errors : tuple of FrameError
        The first frames of each status but ``ok``, in the order of the manifest.
    """

    run: Json
    metrics: Json
    model_cards: JsonByName
    histograms: Mapping[str, NDArray[np.int64]]
    videos: Mapping[str, VideoFigures]
    examples: Mapping[str, FrameExamples]
    errors: tuple[FrameError, ...]

    @property
    def notes(self) -> list[str]:
        """What ``run.json`` says about the manifest, a sentence each; nothing in files of older versions."""
        return [str(note) for note in look(self.run, "manifest", "notes") or ()]


def gather(run: ScoringRun, metrics: Json, model_cards: JsonByName, totals: PartTotals) -> Report:
    """Return the contents of a run's report.

    Parameters
    ----------
    run : ScoringRun
    metrics : mapping
        The content of ``metrics.json``.
    model_cards : mapping of str to mapping
        The content of each model's ``model.json``, by name.
    totals : PartTotals
        The sums of all parts.

    Raises
    ------
    StorageError
        If ``run.json`` can't be read.
    """
    return Report(
        run=run.directory.read_json(RUN_FILE),
        metrics=metrics,
        model_cards=model_cards,
        histograms=totals.histograms,
        videos=totals.video_figures,
        examples=totals.examples,
        errors=totals.errors,
    )


def look(value: Any, *keys: str) -> Any:
    """Return the value below nested keys of a model card; None if any of them is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
