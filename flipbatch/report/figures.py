"""What a report shows of a run: its files, its metrics, and the sums of its rows.

Knows a run's totals. Does not know markup, and reads no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flipbatch.report.warnings import Json
from flipbatch.runtime.run_directory import RUN_FILE
from flipbatch.scoring.figures import FrameError, VideoFigures
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.totals import PartTotals


@dataclass(frozen=True)
class Report:
    """All that the page says.

    Attributes
    ----------
    run : mapping
        What ``run.json`` says.
    metrics : mapping
        What ``metrics.json`` says.
    records : mapping of str to mapping
        Name to card of each model's bundle.
    histograms : mapping of str to ndarray
        Name to frames per label and probability of each model: int64 [3, BINS], rows as `LABELS`.
    videos : mapping of str to VideoFigures
        By model.
    errors : tuple of FrameError
        The first of them, in the order of the manifest.
    """

    run: Json
    metrics: Json
    records: Mapping[str, Json]
    histograms: Mapping[str, NDArray[np.int64]]
    videos: Mapping[str, VideoFigures]
    errors: tuple[FrameError, ...]


def gather(run: ScoringRun, metrics: Json, records: Mapping[str, Json], totals: PartTotals) -> Report:
    """Return what the page shows of a run.

    Parameters
    ----------
    run : ScoringRun
    metrics : mapping
        The content of ``metrics.json``.
    records : mapping of str to mapping
        Name of each model to the card of its bundle.
    totals : PartTotals
        Of all parts.

    Raises
    ------
    StorageError
        If ``run.json`` can't be read.
    """
    return Report(
        run=run.directory.read_json(RUN_FILE),
        metrics=metrics,
        records=records,
        histograms=totals.histograms,
        videos=totals.video_figures,
        errors=totals.errors,
    )
