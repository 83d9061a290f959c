"""The frames that a report shows: each model's most confident mistakes, or those it is least sure of.

Knows examples and thumbnails. Does not know markup, tables or metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flipbatch.evaluation.examples import FrameExample, FrameExamples
from flipbatch.report.pictures import Thumbnail, thumbnails
from flipbatch.runtime.wording import numbered

MOST_THUMBNAILS = 100
"""Of one page."""

DEFAULT_THUMBNAILS = 24
"""Of one model."""

MISSED = "Missed flips: labelled flip, predicted notflip, the most confident first"
FALSE = "False flips: labelled notflip, predicted flip, the most confident first"
UNCERTAIN = "Least certain frames: without a label, the nearest to the threshold first"

_LEFT_OUT = "{count} more {frame|frames} can't be shown: {it|they} can't be read again."


@dataclass(frozen=True)
class Shot:
    """A frame with its thumbnail, a text in place of the picture, and a caption."""

    picture: Thumbnail
    text: str
    video_id: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Frames of one kind.

    Attributes
    ----------
    title : str
    shots : list of Shot
    note : str
        About frames that can't be shown; empty if there are none.
    """

    title: str
    shots: Sequence[Shot]
    note: str


def galleries(examples: Mapping[str, FrameExamples], number: int) -> dict[str, list[Gallery]]:
    """Read the frames of all models again, and arrange them.

    Parameters
    ----------
    examples : mapping of str to FrameExamples
        By model.
    number : int
        Thumbnails of one model, half of them missed flips; fewer if the page would have more than
        `MOST_THUMBNAILS`.

    Returns
    -------
    dict of str to list of Gallery
        By model.
    """
    of_model = min(number, MOST_THUMBNAILS // max(1, len(examples)))
    chosen = {name: _chosen(one, of_model) for name, one in examples.items()}
    pictures = thumbnails([frame.uri for kinds in chosen.values() for frame in _frames(kinds)])
    return {name: [_gallery(*kind, pictures) for kind in kinds.items()] for name, kinds in chosen.items()}


def _chosen(examples: FrameExamples, number: int) -> dict[str, Sequence[FrameExample]]:
    """Return the frames to show of each kind that has any."""
    if examples.missed or examples.false:
        kinds = {MISSED: examples.missed[: (number + 1) // 2], FALSE: examples.false[: number // 2]}
    else:
        kinds = {UNCERTAIN: examples.uncertain[:number]}
    return {title: frames for title, frames in kinds.items() if frames}


def _frames(kinds: Mapping[str, Sequence[FrameExample]]) -> Iterable[FrameExample]:
    return (frame for frames in kinds.values() for frame in frames)


def _gallery(title: str, frames: Sequence[FrameExample], pictures: Mapping[str, Thumbnail]) -> Gallery:
    shots = [_shot(frame, pictures[frame.uri]) for frame in frames if frame.uri in pictures]
    left_out = len(frames) - len(shots)
    return Gallery(title, shots, numbered(_LEFT_OUT, left_out) if left_out else "")


def _shot(frame: FrameExample, picture: Thumbnail) -> Shot:
    of_video = f"Frame {frame.frame_number} of video {frame.video_id}, {frame.label or 'without label'}"
    text = f"{of_video}, flip probability {frame.probability:.3f}"
    return Shot(picture, text, frame.video_id, f"frame {frame.frame_number}: {frame.probability:.3f}")
