"""Frames to look at: the most confident mistakes of a model; without labels, the least certain frames.

Knows the columns of predictions. Does not know files, pixels or markup. Examples of disjoint sets of frames
add, in memory that does not grow with the number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flipbatch.evaluation.columns import equals
from flipbatch.schema import Label

MOST_EXAMPLES = 50
"""Of each kind."""

_COLUMNS = ("video_id", "frame_number", "uri", "label", "flip_probability")


class FrameExample(NamedTuple):
    """One frame of an example. Examples sort by rank: the first is the one to look at first.

    Attributes
    ----------
    rank : float
    video_id : str
    frame_number : int
    uri : str
    label : str or None
    probability : float
        Of a flip, in [0, 1].
    """

    rank: float
    video_id: str
    frame_number: int
    uri: str
    label: str | None
    probability: float


@dataclass(frozen=True)
class FrameExamples:
    """At most `MOST_EXAMPLES` frames of each kind.

    Attributes
    ----------
    missed : tuple of FrameExample
        Flips that are predicted ``notflip``, the lowest probability first.
    false : tuple of FrameExample
        Other frames that are predicted ``flip``, the highest probability first.
    uncertain : tuple of FrameExample
        Frames without a label, the one nearest to the threshold first.
    """

    missed: tuple[FrameExample, ...] = ()
    false: tuple[FrameExample, ...] = ()
    uncertain: tuple[FrameExample, ...] = ()

    @classmethod
    def of(cls, predictions: pa.Table, threshold: float) -> FrameExamples:
        """Choose from the rows of one model.

        Parameters
        ----------
        predictions : pyarrow.Table
            `schema.PREDICTIONS`, sorted.
        threshold : float
            In [0, 1].
        """
        scored = predictions.filter(predictions["flip_probability"].is_valid())
        probability = scored["flip_probability"].to_numpy().astype(np.float64)
        flip, notflip = equals(scored["label"], Label.FLIP), equals(scored["label"], Label.NOTFLIP)
        predicted = equals(scored["prediction"], Label.FLIP)
        return cls(
            missed=_first(scored, flip & ~predicted, probability),
            false=_first(scored, notflip & predicted, -probability),
            uncertain=_first(scored, ~flip & ~notflip, np.abs(probability - threshold)),
        )

    def __add__(self, other: FrameExamples) -> FrameExamples:
        return FrameExamples(
            missed=_merged(self.missed, other.missed),
            false=_merged(self.false, other.false),
            uncertain=_merged(self.uncertain, other.uncertain),
        )


def _first(rows: pa.Table, chosen: NDArray[np.bool_], rank: NDArray[np.float64]) -> tuple[FrameExample, ...]:
    """Return the chosen rows of the lowest ranks; of equal ranks the first rows."""
    found = np.flatnonzero(chosen)
    first = found[np.argsort(rank[found], kind="stable")[:MOST_EXAMPLES]]
    columns = [rows[name].take(pa.array(first)).to_pylist() for name in _COLUMNS]
    return tuple(map(FrameExample._make, zip(rank[first].tolist(), *columns, strict=True)))


def _merged(first: tuple[FrameExample, ...], second: tuple[FrameExample, ...]) -> tuple[FrameExample, ...]:
    return tuple(sorted((*first, *second), key=_order)[:MOST_EXAMPLES])


def _order(example: FrameExample) -> tuple[float, str, int]:
    return example.rank, example.video_id, example.frame_number
