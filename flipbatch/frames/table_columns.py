"""Which columns of a user's table are columns of a manifest, by their names.

Knows names only; knows no file and no cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from flipbatch.errors import InputError
from flipbatch.frames.notes import Notes
from flipbatch.frames.words import SPLIT_WORDS, has_split_word, normal, words_in
from flipbatch.schema import FILM_FACTS, MANIFEST

COLUMNS = [name for name in MANIFEST.names if name not in {"version", *FILM_FACTS}]
"""Columns that a table may have; only ``uri`` is required. Only a listing knows the version of a file."""

_NOT_SURE = {
    "video_id": ("video", "videos", "videoname", "vid", "clip", "clipid", "clipname"),
    "frame_number": (
        "frame",
        "frames",
        "frameno",
        "framenum",
        "framenr",
        "frameid",
        "frameidx",
        "frameindex",
    ),
    "label": (
        *("class", "classes", "classid", "classname", "classlabel", "category", "annotation", "tag"),
        *("target", "targets", "y", "ytrue", "truth", "groundtruth", "gt"),
        *("labelid", "labelname", "truelabel", "flip", "flips", "isflip", "flipped", "flipping", "notflip"),
    ),
    "split": (
        *("set", "subset", "partition", "phase", "usage", "splitname", "datasplit", "datasetsplit"),
        *("istrain", "isval", "istest", "train", "val", "test", "traintest", "trainvaltest"),
    ),
    "group": ("groupid", "groupname", "groupkey"),
}
"""Names that may mean a column: a table without that column is refused. Normal forms, see `words.normal`."""

_LABEL_PARTS = ("label", "flip", "annot")
_LABEL_WORDS = frozenset({"lbl", "lbls", "gold", "golden", "gt", "truth", "class", "target"})
_NO_LETTERS = re.compile(r"[^a-z]+")

_SIMILAR = 0.8
"""Names that are at least so similar to a column are not sure either: plurals, and most slips of the pen."""

_NOT_USED = "{count} {column|columns} of the manifest {is|are} not used: {examples}."
_NAMED_AT_MOST = 20


def match_columns(uri: str, own: Sequence[str], folders: Sequence[str] = ()) -> dict[str, str]:
    """Return the table's own name of each of `COLUMNS` that it has, in the order of `COLUMNS`.

    Case, blanks around and in a name, ``_``, ``-`` and byte order marks do not matter.

    Parameters
    ----------
    uri : str
        Of the table, for messages.
    own : sequence of str
        All columns of the file.
    folders : sequence of str
        The keys of its hive-style folders.

    Raises
    ------
    InputError
        If ``uri`` is missing, two names mean one column, or a name looks like a column that is missing.
    """
    names = [*own, *folders]
    found = {column: [name for name in names if normal(name) == normal(column)] for column in COLUMNS}
    if not found["uri"]:
        raise InputError(
            f"The manifest {uri} has no column uri: it has {', '.join(names)}. "
            "Rename the one that holds the frames' paths to uri."
        )
    for column, same in found.items():
        if len(same) > 1:
            raise _more_than_one(uri, column, same, sum(normal(name) == normal(column) for name in own))
        if not same:
            _refuse_unsure(uri, column, names)
    return {column: same[0] for column, same in found.items() if same}


def _more_than_one(uri: str, column: str, same: Sequence[str], in_file: int) -> InputError:
    """Return the error for names of one column: `in_file` of the file, then those of folders."""
    if in_file == 1:
        return InputError(
            f"The manifest {uri} has a column {same[0]} and a folder {same[1]}=… above it: leave one of "
            "the two."
        )
    which = "" if set(same) == {column} else f" ({', '.join(map(repr, same))})"
    return InputError(f"The manifest {uri} has more than one column {column}{which}: leave one.")


def _refuse_unsure(uri: str, column: str, names: Sequence[str]) -> None:
    for name in names:
        if _may_mean(name, column):
            raise InputError(
                f"The manifest {uri} has a column {name!r} and no column {column}: rename it to {column} if "
                "it means that, else remove it or give it another name."
            )


def _may_mean(name: str, column: str) -> bool:
    """Return whether a name may mean a column but is not sure to."""
    word = normal(name)
    if any(word == normal(other) for other in COLUMNS):
        return False
    return (
        word in _NOT_SURE.get(column, ())
        or (column == "label" and _speaks_of_labels(name))
        or (column == "split" and _speaks_of_splits(name))
        or SequenceMatcher(None, word, normal(column), autojunk=False).ratio() >= _SIMILAR
    )


def _speaks_of_labels(name: str) -> bool:
    letters = _NO_LETTERS.sub("", normal(name))
    return any(part in letters for part in _LABEL_PARTS) or not _LABEL_WORDS.isdisjoint(words_in(name))


def _speaks_of_splits(name: str) -> bool:
    letters = _NO_LETTERS.sub("", normal(name))
    return letters.removeprefix("is") in SPLIT_WORDS or "split" in words_in(name) or has_split_word(name)


def note_unused(notes: Notes, names: Sequence[str]) -> None:
    """Count the columns that are not used, in one line that names them all, or the first of very many."""
    if names:
        named = ", ".join(name.strip() or "(no name)" for name in names[:_NAMED_AT_MOST])
        more = ", …" if len(names) > _NAMED_AT_MOST else ""
        notes.count(_NOT_USED, named + more, len(names))
