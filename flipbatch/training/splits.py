"""Splits of labelled frames into training, validation and test, by whole groups.

Frames of one group (a book, a place, a recording) look alike, so a test score is too high if training
contains frames of the same group. Splits made here never divide a group; a supplied split may, and the shared
videos and groups are counted. Knows video ids, groups, labels and supplied splits. Does not know files or
pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.frames.names import default_group
from flipbatch.runtime.wording import counted, numbered
from flipbatch.schema import SPLITS, Label, Split

HELD_OUT = 0.2
"""Share of the groups of each kind that goes to a split which was not supplied."""

_UNLABELLED = "{count} {frame without a label is|frames without a label are} not used for training."

Strings = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SharedVideos:
    """How many videos and groups a split shares with training.

    Attributes
    ----------
    split : Split
    shared_videos, videos, shared_frames, frames : int
        `shared_videos` of the `videos` of the split are in training too. They contain `shared_frames` of its
        `frames`.
    shared_groups, groups, shared_group_frames : int
        The same of groups.
    """

    split: Split
    shared_videos: int
    videos: int
    shared_frames: int
    frames: int
    shared_groups: int
    groups: int
    shared_group_frames: int

    def __str__(self) -> str:
        frames = counted(self.frames, "frame")
        videos = (
            f"{self.shared_videos} of its {counted(self.videos, 'video')} ({self.shared_frames} of {frames})"
        )
        return (
            f"The {self.split} split shares {videos if self.shared_videos else 'no video'} "
            f"{'and' if self.shared_videos else 'but'} {self.shared_groups} of its "
            f"{counted(self.groups, 'group')} ({self.shared_group_frames} of {frames}) with training: "
            f"F1 on it does not measure generalisation to new {'videos' if self.shared_videos else 'groups'}."
        )


@dataclass(frozen=True)
class SplitFrames:
    """Labelled frames, each with its split.

    Attributes
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST` in the order of the manifest, labelled frames only. The split of a frame that is
        left out is null.
    shared : tuple of SharedVideos
        One for each supplied split that shares groups with training.
    warnings : tuple of str
        One sentence each; those about `shared` included.
    """

    frames: pa.Table
    shared: tuple[SharedVideos, ...]
    warnings: tuple[str, ...]

    @cached_property
    def names(self) -> npt.NDArray[np.str_]:
        """The split of each row of `frames`, (N,); empty where the frame is left out."""
        return np.array([split or "" for split in self.frames["split"].to_pylist()], dtype="U5")

    def of(self, split: Split) -> pa.Table:
        """Return the frames of one split."""
        return self.frames.filter(pa.array(self.names == split))

    def count(self, column: str) -> dict[str, int]:
        """Return how many distinct values of a column each split has."""
        return {split: len(self.of(split)[column].unique()) for split in Split}

    def table(self) -> pa.Table:
        """Return how many frames of each video are in each split, as `schema.SPLITS`."""
        used = self.frames.filter(self.frames["split"].is_valid())
        counts = used.group_by(["video_id", "split", "group"]).aggregate([("uri", "count")])
        table = counts.rename_columns({"uri_count": "frames"}).select(SPLITS.names).cast(SPLITS)
        return table.sort_by([("video_id", "ascending"), ("split", "ascending")])


def labelled_frames(manifest: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return the frames that have a label, and warnings about the manifest.

    Raises
    ------
    InputError
        If a class is missing.
    """
    labelled = manifest.filter(manifest["label"].is_valid())
    unlabelled = manifest.num_rows - labelled.num_rows
    warnings = [numbered(_UNLABELLED, unlabelled)] if unlabelled else []
    _require_classes(
        _strings(labelled, "label"),
        "The frames",
        "they must be in folders named flip and notflip, or labelled",
    )
    return labelled, [*warnings, *_mixed_groups(labelled)]


def split_frames(manifest: pa.Table, seed: int) -> SplitFrames:
    """Fill in the split of each frame; hold out validation, and test if none is supplied, by group.

    Parameters
    ----------
    manifest : pyarrow.Table
        `schema.MANIFEST`. Frames without label are left out; frames without split may train.
    seed : int
        Decides which groups are held out, together with the manifest and nothing else.

    Raises
    ------
    InputError
        If training or validation lacks a class, or if no test can be held out.
    """
    labelled, warnings = labelled_frames(manifest)
    columns = _Columns(*(_strings(labelled, name) for name in ("video_id", "group", "label", "split")))
    columns.split[columns.split == None] = Split.TRAIN  # noqa: E711 (elementwise)
    rng = np.random.default_rng(seed)
    if Split.TEST not in columns.split:
        _hold_out_groups(Split.TEST, columns, rng)
        _require_test_classes(columns)
    shared = tuple(_shared_with_training(columns))
    if Split.VAL not in columns.split:
        _hold_out_groups(Split.VAL, columns, rng)
        warnings += _hold_out_last_frames(columns)
    _require_split_classes(columns)
    warnings += [str(one) for one in shared]
    return SplitFrames(with_splits(labelled, columns.split), shared, tuple(warnings))


def with_splits(frames: pa.Table, splits: Strings) -> pa.Table:
    """Return a manifest with another column ``split``, (N,), None where a frame has none."""
    place = frames.schema.get_field_index("split")
    return frames.set_column(place, frames.schema.field(place), pa.array(splits, pa.string()))


@dataclass(frozen=True)
class _Columns:
    """Columns of a manifest, (N,) each; `split` changes in place."""

    video: Strings
    group: Strings
    label: Strings
    split: Strings

    def labels_of_groups(self, rows: Mask) -> dict[str, frozenset[str]]:
        """Return the labels of each group in some rows, sorted by group."""
        found: dict[str, set[str]] = {}
        for group, label in zip(self.group[rows], self.label[rows], strict=True):
            found.setdefault(str(group), set()).add(str(label))
        return {group: frozenset(found[group]) for group in sorted(found)}


def _strings(table: pa.Table, name: str) -> Strings:
    return np.array(table[name].to_pylist(), dtype=object)


# ---------------------------------------------------------------------------------------- held out


def _hold_out_groups(split: Split, columns: _Columns, rng: np.random.Generator) -> None:
    """Give a share of the training groups of each kind to `split`; the only group of a kind trains.

    The kind of a group is the set of its labels. If `split` then lacks a class, it gets one more group,
    provided that training keeps both classes.
    """
    candidates = columns.split == Split.TRAIN
    if split == Split.TEST:  # groups that choose the epoch and the threshold can't test them
        candidates &= ~np.isin(columns.group, columns.group[columns.split == Split.VAL])
    kinds: dict[tuple[str, ...], list[str]] = {}
    for group, labels in columns.labels_of_groups(candidates).items():
        kinds.setdefault(tuple(sorted(labels)), []).append(group)
    for _, groups in sorted(kinds.items()):
        drawn = rng.permutation(len(groups))[: _share(len(groups))]
        columns.split[candidates & np.isin(columns.group, [groups[index] for index in drawn])] = split
    for label in Label:
        if label not in columns.label[columns.split == split]:
            _hold_out_one_more(split, label, candidates, columns, rng)


def _hold_out_one_more(
    split: Split, label: Label, candidates: Mask, columns: _Columns, rng: np.random.Generator
) -> None:
    """Give one group with frames of `label` to `split`, if training keeps both classes without it."""
    groups = columns.labels_of_groups(candidates & (columns.split == Split.TRAIN))
    training = columns.split == Split.TRAIN
    for index in rng.permutation(len(groups)):
        group = list(groups)[index]
        rows = training & candidates & (columns.group == group)
        if label in groups[group] and set(Label) <= set(columns.label[training & ~rows]):
            columns.split[rows] = split
            return


def _share(count: int) -> int:
    """Return how many of `count` are held out: at least one, never all."""
    return min(max(1, round(HELD_OUT * count)), count - 1)


def _hold_out_last_frames(columns: _Columns) -> list[str]:
    """Validate on the last frames of a training group, for each class that validation lacks; warn.

    As many frames before them are left out, so that no neighbour of a validation frame trains.
    """
    warnings = []
    for label in Label:
        if label in columns.label[columns.split == Split.VAL]:
            continue
        training = (columns.split == Split.TRAIN) & (columns.label == label)
        if not training.any():
            continue
        groups, sizes = np.unique(columns.group[training].astype(str), return_counts=True)
        group = str(groups[np.argmax(sizes)])
        rows = np.flatnonzero(training & (columns.group == group))
        held = _share(len(rows))
        gap = min(held, len(rows) - held - 1)
        first, last = len(rows) - held - gap, len(rows) - held
        columns.split[rows[first:last]] = None
        columns.split[rows[last:]] = Split.VAL
        warnings.append(_last_frames_warning(label, group, first, gap, held))
    return warnings


def _last_frames_warning(label: Label, group: str, first: int, gap: int, held: int) -> str:
    training, left_out, validation = (
        numbered(f"{{is|{number:,} are}}", number) for number in (first, gap, held)
    )
    return (
        f"No {label} group is left for validation. Of the {label} frames of {group}, the first {training} "
        f"for training, {f'the next {left_out}' if gap else 'none is'} left out, and the last {validation} "
        "for validation. Epoch and threshold are therefore chosen on a training group."
    )


# ---------------------------------------------------------------------------------------- shared


def _shared_with_training(columns: _Columns) -> Iterator[SharedVideos]:
    for split in (Split.VAL, Split.TEST):
        own = columns.split == split
        training = columns.split == Split.TRAIN
        video = own & np.isin(columns.video, columns.video[training])
        group = own & np.isin(columns.group, columns.group[training])
        if group.any():
            yield SharedVideos(
                split=split,
                shared_videos=len(set(columns.video[video])),
                videos=len(set(columns.video[own])),
                shared_frames=int(video.sum()),
                frames=int(own.sum()),
                shared_groups=len(set(columns.group[group])),
                groups=len(set(columns.group[own])),
                shared_group_frames=int(group.sum()),
            )


def _distinct(frames: pa.Table, *columns: str) -> Iterator[tuple[str, ...]]:
    """Return the distinct rows of some columns."""
    rows = frames.group_by(list(columns)).aggregate([])
    return zip(*(rows[column].to_pylist() for column in columns), strict=True)


def _mixed_groups(frames: pa.Table) -> list[str]:
    """Return a warning about VideoIDs with frames of both labels, which are one group by default."""
    labels: dict[str, set[str]] = {}
    for video, group, label in _distinct(frames, "video_id", "group", "label"):
        if group == default_group(video):
            labels.setdefault(group, set()).add(label)
    mixed = sorted(group for group, found in labels.items() if len(found) > 1)
    if not mixed:
        return []
    each = f"Each of {len(mixed):,} VideoIDs, for example {mixed[0]},"
    who = f"VideoID {mixed[0]}" if len(mixed) == 1 else each
    return [
        f"{who} has frames under both labels: its frames are one group, unless the manifest's column group "
        "says otherwise."
    ]


# ---------------------------------------------------------------------------------------- required


def _require_classes(labels: Strings, what: str, otherwise: str) -> None:
    missing = [label for label in Label if label not in labels]
    if missing:
        raise InputError(f"{what} contain no {' and no '.join(missing)} frame: {otherwise}.")


def _require_test_classes(columns: _Columns) -> None:
    _require_classes(
        columns.label[columns.split == Split.TEST],
        "The test groups that could be held out",
        "at least two groups of each class are needed. Add videos, or supply a testing split",
    )


def _require_split_classes(columns: _Columns) -> None:
    for split, name in ((Split.TRAIN, "training"), (Split.VAL, "validation")):
        _require_classes(
            columns.label[columns.split == split],
            f"The {name} frames",
            "add videos of both classes to it, or label more",
        )
