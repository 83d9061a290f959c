"""What users should know about the folders of frames: those without a label or split, and doubtful ones.

Knows the readings of rows (`row_batches.Reading`); knows no storage and no table. Memory holds a
few examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from flipbatch.frames.names import Folders
from flipbatch.frames.notes import EXAMPLES, Notes
from flipbatch.frames.row_batches import Rows
from flipbatch.frames.words import (
    label_of_folder,
    other_label,
    resembles_column,
    resembles_label,
    resembles_split,
    split_of_folder,
)
from flipbatch.schema import Label, Split

NO_LABEL = (
    "{count} {frame has|frames have} no label, others have one: F1 and training leave {it|them} out. "
    "{Its folder|Their folders}: {examples}."
)
NO_SPLIT = (
    "{count} {frame has|frames have} no split, others have one: training counts {it|them} as train. "
    "{Its folder|Their folders}: {examples}."
)
TWO_LABELS = (
    "{count} {frame is|frames are} below folders of both labels, the one nearest to the file counts: "
    "{examples}."
)
TWO_SPLITS = (
    "{count} {frame is|frames are} below folders of several splits, the one nearest to the file counts: "
    "{examples}."
)
NOT_READ = (
    "{count} {frame is|frames are} in a folder whose name looks like a label, split or group but is not "
    "read: {examples}."
)

_Meaning = Callable[[str], Label | Split | None]


def with_folder_notes(rows: Iterable[Rows], notes: Notes) -> Iterator[Rows]:
    """Yield rows, and count what their folders say in `notes`; the last facts after the last row."""
    labels, splits, others = _Without(NO_LABEL), _Without(NO_SPLIT), _OtherLabels()
    for some in rows:
        for (folders, label, split), number in some.readings.items():
            labels.count(folders, label, number)
            splits.count(folders, split, number)
            others.count(folders, label, split, number)
            _count_doubts(folders, label, split, number, notes)
        yield some
    for one in (labels, splits, others):
        one.note(notes)


class _Without:
    """Counts the frames that lack a label or a split, beside others that have one."""

    def __init__(self, sentence: str) -> None:
        self._sentence, self._others, self._number = sentence, False, 0
        self._examples: list[str] = []

    def count(self, folders: Folders, value: Label | Split | None, number: int) -> None:
        """Count frames of some folders, with the value that they have."""
        if value is not None:
            self._others = True
            return
        self._number += number
        if len(self._examples) <= EXAMPLES and (example := _example(folders.path)) not in self._examples:
            self._examples.append(example)

    def note(self, notes: Notes) -> None:
        """Count the frames in `notes`, if there are such frames and others."""
        if self._number and self._others:
            notes.count_all(self._sentence, self._examples, self._number)


class _OtherLabels:
    """Counts the frames in folders such as ``pos`` and ``1``, which look like labels if no frame has one."""

    def __init__(self) -> None:
        self._labelled = False
        self._numbers: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def count(self, folders: Folders, label: Label | None, split: Split | None, number: int) -> None:
        """Count frames of some folders, with the label and the split that they have."""
        self._labelled = self._labelled or label is not None
        for name in () if self._labelled else reversed(folders.path.split("/")):
            word = "2" if name == "2" else other_label(name)
            if word is not None:
                self._names.setdefault(word, name)
                counted = _not_read(folders.path, True, split is None) is not None  # by another folder
                self._numbers[word] = self._numbers.get(word, 0) + (0 if counted else number)
                return

    def note(self, notes: Notes) -> None:
        """Count the frames in `notes`, if no frame has a label; folders 0, 1 and 2 are a count."""
        if self._labelled:
            return
        labels = {"0", "1"} <= self._numbers.keys() and "2" not in self._numbers
        for word, number in self._numbers.items():
            if labels or not word.isdigit():
                notes.count(NOT_READ, f"{self._names[word]}/", number)


def _example(path: str) -> str:
    """Return the start of a path up to the first folder without meaning: those below it are many."""
    folders = path.split("/")[:-1]
    for depth, folder in enumerate(folders, 1):
        if label_of_folder(folder) is None and split_of_folder(folder) is None:
            return "/".join(folders[:depth]) + "/"
    return path or "the root"


# ---------------------------------------------------------------------------------------- doubts


def _count_doubts(
    folders: Folders, label: Label | None, split: Split | None, number: int, notes: Notes
) -> None:
    if label is not None and label == folders.label and _has_two(folders.path, label_of_folder):
        notes.count(TWO_LABELS, folders.path, number)
    if split is not None and split == folders.split and _has_two(folders.path, split_of_folder):
        notes.count(TWO_SPLITS, folders.path, number)
    if folder := _not_read(folders.path, label is None, split is None):
        notes.count(NOT_READ, f"{folder}/", number)


@lru_cache(maxsize=4096)
def _has_two(path: str, meaning: _Meaning) -> bool:
    return len({meaning(folder) for folder in path.split("/")} - {None}) > 1


@lru_cache(maxsize=4096)
def _not_read(path: str, no_label: bool, no_split: bool) -> str | None:
    """Return the folder nearest to the file that looks like what the frame lacks, or None."""
    for folder in reversed(path.split("/")):
        if label_of_folder(folder) is not None or split_of_folder(folder) is not None:
            continue
        label, split = no_label and resembles_label(folder), no_split and resembles_split(folder)
        if label or split or resembles_column(folder):
            return folder
    return None
