"""Which frames train, which choose the epoch and the threshold, which test: by video.

Knows video ids, labels and supplied splits; knows no files and no pixels. Frames of one video look
alike, so a split that cuts through videos measures memory; a supplied one that does is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.schema import SPLITS, Label, Split

HELD_OUT = 0.2
"""Share of the videos of each class that goes to a split which was not supplied."""

Strings = npt.NDArray[np.object_]


@dataclass(frozen=True)
class SharedVideos:
    """How far a split shares its videos with training.

    Attributes
    ----------
    split : Split
    shared_videos, videos, shared_frames, frames : int
        Of `videos` in the split, `shared_videos` are in training too; they hold `shared_frames` of its
        `frames`.
    """

    split: Split
    shared_videos: int
    videos: int
    shared_frames: int
    frames: int

    def __str__(self) -> str:
        return (
            f"The {self.split} split shares {self.shared_videos} of its {self.videos} videos "
            f"({self.shared_frames} of {self.frames} frames) with training: F1 on it measures memory of "
            "these videos, not what a new video would get."
        )


@dataclass(frozen=True)
class SplitFrames:
    """Labelled frames, each with its split.

    Attributes
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, every label and split filled in, sorted as it came.
    shared : tuple of SharedVideos
        For each split that shares videos with training.
    warnings : tuple of str
        What a person must know, a sentence each; those about `shared` among them.
    """

    frames: pa.Table
    shared: tuple[SharedVideos, ...]
    warnings: tuple[str, ...]

    def of(self, split: Split) -> pa.Table:
        """Return the frames of one split."""
        return self.frames.filter(pa.array(_strings(self.frames, "split") == split))

    def table(self) -> pa.Table:
        """Return how many frames of each video are in each split, as `schema.SPLITS`."""
        counts = self.frames.group_by(["video_id", "split"]).aggregate([("uri", "count"), ("group", "min")])
        counts = (
            counts.rename_columns({"uri_count": "frames", "group_min": "group"})
            .select(SPLITS.names)
            .cast(SPLITS)
        )
        return counts.sort_by([("video_id", "ascending"), ("split", "ascending")])


def split_frames(manifest: pa.Table, seed: int) -> SplitFrames:
    """Fill in each frame's split, holding out validation, and test where none was supplied, by video.

    Parameters
    ----------
    manifest : pyarrow.Table
        `schema.MANIFEST`; frames without label are left out, frames without split may train.
    seed : int
        Which videos are held out depends on nothing else.

    Raises
    ------
    InputError
        Where training or validation would lack a class, or no test could be held out.
    """
    labelled = manifest.filter(manifest["label"].is_valid())
    unlabelled = manifest.num_rows - labelled.num_rows
    warnings = [f"{unlabelled} frames without label are left out of training."] if unlabelled else []
    videos, labels, splits = (_strings(labelled, name) for name in ("video_id", "label", "split"))
    _require_classes(labels, "The frames", "they must be in folders named flip and notflip, or labelled")
    splits[splits == None] = Split.TRAIN  # noqa: E711 (elementwise)
    rng = np.random.default_rng(seed)
    if Split.TEST not in splits:
        _hold_out_videos(Split.TEST, videos, labels, splits, rng)
        _require_test_classes(labels, splits)
    shared = tuple(_shared(split, videos, splits) for split in (Split.VAL, Split.TEST) if split in splits)
    if Split.VAL not in splits:
        _hold_out_videos(Split.VAL, videos, labels, splits, rng)
        warnings += _hold_out_last_frames(videos, labels, splits)
    _require_split_classes(labels, splits)
    shared = tuple(one for one in shared if one.shared_videos)
    warnings += [str(one) for one in shared]
    frames = labelled.set_column(
        labelled.schema.get_field_index("split"), "split", pa.array(splits, pa.string())
    )
    return SplitFrames(frames, shared, tuple(warnings))


def _strings(table: pa.Table, name: str) -> Strings:
    return np.array(table[name].to_pylist(), dtype=object)


def _require_classes(labels: Strings, what: str, otherwise: str) -> None:
    missing = [label for label in Label if label not in labels]
    if missing:
        raise InputError(f"{what} hold no {' and no '.join(missing)} frame: {otherwise}.")


def _require_test_classes(labels: Strings, splits: Strings) -> None:
    _require_classes(
        labels[splits == Split.TEST],
        "The test videos that could be held out",
        "it takes two videos of each class; add videos, or supply a testing split",
    )


def _require_split_classes(labels: Strings, splits: Strings) -> None:
    for split, name in ((Split.TRAIN, "training"), (Split.VAL, "validation")):
        _require_classes(
            labels[splits == split], f"The {name} frames", "add videos of both classes to it, or label more"
        )


def _hold_out_videos(
    split: Split, videos: Strings, labels: Strings, splits: Strings, rng: np.random.Generator
) -> None:
    """Move a share of the training videos of each kind to `split`; a kind's only video stays."""
    candidates = splits == Split.TRAIN
    if split == Split.TEST:  # what chooses the epoch and the threshold can't test them
        candidates &= ~np.isin(videos, videos[splits == Split.VAL])
    for ids in _videos_by_kind(videos[candidates], labels[candidates]).values():
        if len(ids) >= 2:
            splits[candidates & np.isin(videos, _draw(ids, rng))] = split


def _hold_out_last_frames(videos: Strings, labels: Strings, splits: Strings) -> list[str]:
    """Cut the only video of a class that validation lacks, in time; say so."""
    training, lacking = splits == Split.TRAIN, set(Label) - set(labels[splits == Split.VAL])
    warnings = []
    for kind, ids in _videos_by_kind(videos[training], labels[training]).items():
        if len(ids) == 1 and lacking & set(kind.split(" and ")):
            rows = np.flatnonzero(training & (videos == ids[0]))
            held = _share(len(rows))
            splits[rows[len(rows) - held :]] = Split.VAL
            warnings.append(
                f"Only one training video shows {kind}, {ids[0]}: its first {len(rows) - held} frames train, "
                f"its last {held} validate: epoch and threshold are chosen on a video that was trained on."
            )
    return warnings


def _videos_by_kind(videos: Strings, labels: Strings) -> dict[str, list[str]]:
    """Group videos by the labels that they hold, each group sorted: strata."""
    labels_of: dict[str, set[str]] = {}
    for video, label in zip(videos, labels, strict=True):
        labels_of.setdefault(video, set()).add(str(label))
    kinds: dict[str, list[str]] = {}
    for video in sorted(labels_of):
        kinds.setdefault(" and ".join(sorted(labels_of[video])), []).append(video)
    return dict(sorted(kinds.items()))


def _draw(ids: list[str], rng: np.random.Generator) -> list[str]:
    return [str(ids[index]) for index in rng.permutation(len(ids))[: _share(len(ids))]]


def _share(count: int) -> int:
    """How many of `count` are held out: at least one, never all."""
    return min(max(1, round(HELD_OUT * count)), count - 1)


def _shared(split: Split, videos: Strings, splits: Strings) -> SharedVideos:
    own = splits == split
    shared = own & np.isin(videos, videos[splits == Split.TRAIN])
    return SharedVideos(
        split, len(set(videos[shared])), len(set(videos[own])), int(shared.sum()), int(own.sum())
    )
