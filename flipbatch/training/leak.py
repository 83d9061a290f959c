"""Equal pictures in two splits, counted by the digests of decoded frames.

Knows splits and outcomes; knows no files and no network. `splits` counts the videos and groups that splits
share, by name. A copy of a frame under another name is in another video: only its pixels tell.
Large JPEGs are decoded at a scale: a copy in another format has other pixels, and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch.errors import redacted
from flipbatch.runtime.wording import counted, numbered
from flipbatch.schema import Split
from flipbatch.training.frame_cache import is_ok
from flipbatch.training.splits import SplitFrames

PAIRS = ((Split.TEST, Split.TRAIN), (Split.VAL, Split.TRAIN), (Split.TEST, Split.VAL))
"""What is counted: frames of the first split whose picture is in the second too."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Leak:
    """How many frames show a picture that another split, or their own, has too.

    Attributes
    ----------
    frames : mapping of Split to int
        Decoded frames of each split.
    shared : mapping of (Split, Split) to int
        For each of `PAIRS`: the frames of the first split whose picture is in the second too.
    repeated : mapping of Split to int
        Frames of each split that repeat the picture of another frame of the split.
    example : tuple of (str, str), or None
        The URIs of two frames of different splits that show one picture.
    """

    frames: Mapping[Split, int]
    shared: Mapping[tuple[Split, Split], int]
    repeated: Mapping[Split, int]
    example: tuple[str, str] | None

    def __add__(self, other: Leak) -> Leak:
        return Leak(
            {split: self.frames[split] + other.frames[split] for split in Split},
            {pair: self.shared[pair] + other.shared[pair] for pair in PAIRS},
            {split: self.repeated[split] + other.repeated[split] for split in Split},
            self.example or other.example,
        )

    def to_json(self) -> dict[str, Any]:
        """Return ``frames``, ``repeated``, and of val and test ``in_train`` and ``in_val``, by split."""
        found: dict[str, Any] = {
            split: {"frames": self.frames[split], "repeated": self.repeated[split]} for split in Split
        }
        for own, other in PAIRS:
            found[own][f"in_{other}"] = self.shared[own, other]
        return found


def count_leaks(outcomes: pa.Table, splits: Sequence[SplitFrames]) -> list[Leak]:
    """Count equal pictures, for each of several ways to split the same frames.

    Parameters
    ----------
    outcomes : pyarrow.Table
        Of `DecodedFrames.outcomes`. Frames that were not decoded count nowhere.
    splits : sequence of SplitFrames
    """
    pictures = np.unique(np.array(outcomes["digest"].to_pylist(), dtype=str), return_inverse=True)[1]
    ok = is_ok(outcomes)
    leaks = []
    for one in splits:
        rows = {split: np.flatnonzero(ok & (one.names == split)) for split in Split}
        leaks.append(_leak(pictures, rows, outcomes["uri"]))
    return leaks


def _leak(pictures: Numbers, rows: Mapping[Split, Numbers], uris: pa.ChunkedArray) -> Leak:
    """Count one way to split; `pictures` numbers the picture of each frame, (N,)."""
    shared = {(own, other): _also_in(pictures, rows[own], rows[other]) for own, other in PAIRS}
    return Leak(
        frames={split: len(rows[split]) for split in Split},
        shared={pair: len(found) for pair, found in shared.items()},
        repeated={split: len(rows[split]) - len(np.unique(pictures[rows[split]])) for split in Split},
        example=next(_examples(pictures, rows, shared, uris), None),
    )


def _also_in(pictures: Numbers, rows: Numbers, others: Numbers) -> Numbers:
    """Return those of `rows` whose picture is among `others` too."""
    there = np.zeros(len(pictures), dtype=bool)  # as many as there can be pictures
    there[pictures[others]] = True
    return rows[there[pictures[rows]]]


def _examples(
    pictures: Numbers,
    rows: Mapping[Split, Numbers],
    shared: Mapping[tuple[Split, Split], Numbers],
    uris: pa.ChunkedArray,
) -> Iterator[tuple[str, str]]:
    for (_, other), found in shared.items():
        for row in found[:1]:
            twin = rows[other][np.argmax(pictures[rows[other]] == pictures[row])]
            yield uris[int(row)].as_py(), uris[int(twin)].as_py()


# ---------------------------------------------------------------------------------------- sentences


def leak_warnings(leaks: Sequence[Leak]) -> list[str]:
    """Return one sentence if equal pictures are in two splits, else none; several leaks are of folds."""
    total = reduce(add, leaks)
    counts = [
        f"{number:,} of {counted(total.frames[own], f'{own} frame')} "
        f"{numbered('{is|are}', number)} in {other} too"
        for (own, other), number in total.shared.items()
        if number
    ]
    if total.example is None:
        return []
    where = f"over the {len(leaks)} folds, " if len(leaks) > 1 else ""
    one, twin = total.example
    return [
        redacted(
            f"Equal pictures are in two splits: {where}{', '.join(counts)}, for example {one} and {twin}. "
            "F1 on them is too high: remove the copies, or give all copies of a picture one group or "
            "one split in a manifest."
        )
    ]


def repeats(leaks: Sequence[Leak]) -> list[str]:
    """Return one sentence if a picture is in one split twice, else none; several leaks are of folds.

    Each frame is in the test split of one fold: of folds, the test splits count.
    """
    total = reduce(add, leaks)
    chosen = Split if len(leaks) == 1 else (Split.TEST,)
    counts = [counted(number, f"{split} frame") for split in chosen if (number := total.repeated[split])]
    if not counts:
        return []
    return [f"Copies within a split: {', '.join(counts)}. A picture counts as often as it is there."]
