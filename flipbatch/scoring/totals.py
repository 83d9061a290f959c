"""The sums of a run: the totals of its parts add, in memory that does not grow with the run.

Knows what metrics and report need of a run's rows. Does not know files, or how a number is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flipbatch.evaluation.event_tally import EventTally
from flipbatch.evaluation.examples import FrameExamples
from flipbatch.evaluation.tally import ModelTally
from flipbatch.evaluation.videos import tally
from flipbatch.scoring.figures import (
    FrameError,
    VideoFigures,
    first_errors,
    histogram,
    merged_errors,
    no_histogram,
    video_figures,
)

_NO_TURNS = EventTally()


@dataclass(frozen=True, eq=False)
class ModelTotals:
    """The sums of one model.

    Attributes
    ----------
    tally : ModelTally
    histogram : ndarray
        int64 [3, BINS]: frames by label and probability, rows as `figures.LABELS`.
    videos : VideoFigures
    turns : EventTally
    examples : FrameExamples
    events, stills : int
        Rows of the tables of page turns and of stills.
    """

    tally: ModelTally = field(default_factory=ModelTally)
    histogram: NDArray[np.int64] = field(default_factory=no_histogram)
    videos: VideoFigures = field(default_factory=VideoFigures)
    turns: EventTally = _NO_TURNS
    examples: FrameExamples = field(default_factory=FrameExamples)
    events: int = 0
    stills: int = 0

    @classmethod
    def of(
        cls,
        predictions: pa.Table,
        videos: pa.Table,
        by_wrong_frames: bool,
        threshold: float,
        turns: EventTally = _NO_TURNS,
        turning: NDArray[np.bool_] | None = None,
    ) -> ModelTotals:
        """Sum up whole videos of one model.

        Parameters
        ----------
        predictions, videos : pyarrow.Table
            `schema.PREDICTIONS` and `schema.VIDEOS`.
        by_wrong_frames, turning
            Of `figures.video_figures`.
        threshold : float
        turns : EventTally
        """
        return cls(
            tally(videos),
            histogram(predictions),
            video_figures(predictions, videos, by_wrong_frames, turning),
            turns,
            FrameExamples.of(predictions, threshold),
        )

    def __add__(self, other: ModelTotals) -> ModelTotals:
        return ModelTotals(
            tally=self.tally + other.tally,
            histogram=self.histogram + other.histogram,
            videos=self.videos + other.videos,
            turns=self.turns + other.turns,
            examples=self.examples + other.examples,
            events=self.events + other.events,
            stills=self.stills + other.stills,
        )


@dataclass(frozen=True)
class PartTotals:
    """The sums of some parts of a run, or of all. Add them in the order of the parts.

    Attributes
    ----------
    frames, videos : int
    labelled : int
        Frames with a label.
    status : Counter of str
        Frames of each status.
    models : dict of str to ModelTotals
    errors : tuple of FrameError
        The first `figures.FIRST_ERRORS` frames of each status but ``ok``, in the order of the manifest.
    engines : frozenset of str
        `engines.engine_text` of the engines that the rows come from.
    """

    frames: int = 0
    videos: int = 0
    labelled: int = 0
    status: Counter[str] = field(default_factory=Counter)
    models: Mapping[str, ModelTotals] = field(default_factory=dict)
    errors: tuple[FrameError, ...] = ()
    engines: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rows: pa.Table, models: Mapping[str, ModelTotals]) -> PartTotals:
        """Sum up the rows of whole videos: `score_shard.SHARD_COLUMNS`, each frame once."""
        counts = rows["status"].value_counts().to_pylist()
        videos = [model.videos.videos for model in models.values()]
        return cls(
            frames=rows.num_rows,
            videos=max(videos, default=0),
            labelled=rows.num_rows - rows["label"].null_count,
            status=Counter({str(one["values"]): int(one["counts"]) for one in counts}),
            models=models,
            errors=first_errors(rows),
        )

    def __add__(self, other: PartTotals) -> PartTotals:
        names = dict.fromkeys((*self.models, *other.models))
        none = ModelTotals()
        return PartTotals(
            frames=self.frames + other.frames,
            videos=self.videos + other.videos,
            labelled=self.labelled + other.labelled,
            status=self.status + other.status,
            models={name: self.models.get(name, none) + other.models.get(name, none) for name in names},
            errors=merged_errors(self.errors, other.errors),
            engines=self.engines | other.engines,
        )

    @property
    def histograms(self) -> dict[str, NDArray[np.int64]]:
        """Frames by label and probability of each model, int64 [3, BINS]."""
        return {name: model.histogram for name, model in self.models.items()}

    @property
    def video_figures(self) -> dict[str, VideoFigures]:
        """The figures of each model's videos."""
        return {name: model.videos for name, model in self.models.items()}

    @property
    def examples(self) -> dict[str, FrameExamples]:
        """The frames of each model to look at."""
        return {name: model.examples for name, model in self.models.items()}
