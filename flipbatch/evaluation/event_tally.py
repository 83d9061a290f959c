"""Page turns that were found are matched with those of the labels; the counts add.

A true turn is a run of frames labelled ``flip``. Only a video whose frames have both labels says when a page
turns: where all frames of a video have one label, as in folders of clips, its labels tell no turn from
another.

Knows masks of frames. Does not know thresholds or files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipbatch.evaluation.columns import equals
from flipbatch.evaluation.counts import Counts
from flipbatch.evaluation.page_turns import FilmFrames, Stretches
from flipbatch.schema import Label

LEAST_OVERLAP = 0.3
"""Frames that a found and a true turn have in common, as a share of the frames of either. Labels of the first
and the last frames of a turn are noisy, and models see a page best in its middle half: a half would already
refuse turns of which the middle was found."""


@dataclass(frozen=True)
class EventTally:
    """Counts of page turns over the videos that have both labels; tallies of disjoint videos add.

    Attributes
    ----------
    true, found, matched : int
        Turns by the labels, turns that were found, and pairs of both.
    videos : int
    frames : Counts
        One decision for each frame with a label and a probability, in all videos of several frames: whether
        a page turns, by its smoothed probability.
    """

    true: int = 0
    found: int = 0
    matched: int = 0
    videos: int = 0
    frames: Counts = field(default_factory=Counts)

    @classmethod
    def of(
        cls,
        turning: NDArray[np.bool_],
        flip: NDArray[np.bool_],
        notflip: NDArray[np.bool_],
        videos: NDArray[np.int64],
        counted: NDArray[np.bool_],
    ) -> EventTally:
        """Tally whole videos.

        Parameters
        ----------
        turning, flip, notflip
            (N,), bool: where a turn was found, and the labels; neither of the last two without a label.
        videos
            (N,), int64: the video of each row, from 0, in order.
        counted
            (N,), bool: which frames count as decisions.
        """
        labelled = flip | notflip
        decisions = Counts.of(flip[labelled & counted], turning[labelled & counted])
        both = _any(flip, videos) & _any(notflip, videos)
        rows = both[videos] & labelled
        starts = np.diff(videos[rows], prepend=-1) != 0
        true, found = (Stretches.of(mask[rows], starts) for mask in (flip, turning))
        return cls(len(true), len(found), _matches(true, found, len(starts)), int(both.sum()), decisions)

    def __add__(self, other: EventTally) -> EventTally:
        return EventTally(
            true=self.true + other.true,
            found=self.found + other.found,
            matched=self.matched + other.matched,
            videos=self.videos + other.videos,
            frames=self.frames + other.frames,
        )

    def to_json(self) -> dict[str, Any]:
        """``events`` and ``frames_smoothed`` of ``metrics.json``; null where nothing was counted."""
        return {
            "events": self._events() if self.videos else None,
            "frames_smoothed": _frames(self.frames) if self.frames.total else None,
        }

    def _events(self) -> dict[str, Any]:
        counts = Counts(self.matched, self.found - self.matched, self.true - self.matched, 0)
        return {
            "f1": counts.f1,
            "precision": counts.precision,
            "recall": counts.recall,
            "true": self.true,
            "found": self.found,
            "matched": self.matched,
            "videos": self.videos,
            "least_overlap": LEAST_OVERLAP,
        }


def tally_turns(frames: FilmFrames) -> EventTally:
    """Tally the page turns of whole videos; `frames.rows` also have a column ``label``."""
    flip, notflip = (equals(frames.rows["label"], label) for label in (Label.FLIP, Label.NOTFLIP))
    counted = ~np.isnan(frames.own) & ~np.isnan(frames.smoothed)
    return EventTally.of(frames.turning, flip, notflip, frames.videos, counted)


def _frames(counts: Counts) -> dict[str, Any]:
    names = ("f1", "precision", "recall", "accuracy", "balanced_accuracy", "tp", "fp", "fn", "tn")
    return {name: getattr(counts, name) for name in names}


def _any(rows: NDArray[np.bool_], videos: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which videos have a row that is set."""
    return np.bincount(videos[rows], minlength=videos[-1] + 1 if len(videos) else 0) > 0


# ---------------------------------------------------------------------------------------- matching


def _matches(true: Stretches, found: Stretches, rows: int) -> int:
    """Count pairs of a true and a found turn, the best overlap first; no turn is in two pairs."""
    matched_true, matched_found = set[int](), set[int]()
    for overlap, one, other in sorted(_pairs(true, found, rows), key=lambda pair: (-pair[0], *pair[1:])):
        if overlap >= LEAST_OVERLAP and one not in matched_true and other not in matched_found:
            matched_true.add(one)
            matched_found.add(other)
    return len(matched_found)


def _pairs(true: Stretches, found: Stretches, rows: int) -> list[tuple[float, int, int]]:
    """Return the overlap of each true turn with each found one that has a frame in common with it.

    A found turn that covers several true ones is also compared with all of them together: it is one match.
    """
    turns = np.stack([true.of_rows(rows), found.of_rows(rows)], axis=1)
    pairs, common = np.unique(turns[(turns >= 0).all(axis=1)], axis=0, return_counts=True)
    one, other = pairs.T
    lengths, covering = true.lengths[one], found.lengths[other]
    alone = common / (lengths + covering - common)
    all_common, all_lengths = (np.bincount(other, weights=of)[other] for of in (common, lengths))
    together = all_common / (all_lengths + covering - all_common)
    return list(zip(np.maximum(alone, together).tolist(), one.tolist(), other.tolist(), strict=True))
