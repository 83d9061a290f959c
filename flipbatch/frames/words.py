"""The words for labels and splits: one dictionary for folders and table cells, whatever their spelling.

Knows words and hive-style folders such as ``label=flip``. Knows no paths, no tables and no storage.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

from flipbatch.schema import Label, Split

_NOT = ("not", "no", "non")
_FLIP = ("flip", "flips", "flipping")

LABEL_WORDS: dict[str, Label] = {
    **dict.fromkeys(_FLIP, Label.FLIP),
    **{no + word: Label.NOTFLIP for no in _NOT for word in _FLIP},
}
"""Normal form of a word (see `normal`) to its label. Not ``flipped``: mirrored frames are called so, too."""

_SPLITS = {
    Split.TRAIN: ("train", "training", "trn"),
    Split.VAL: ("val", "valid", "validation", "dev", "development"),
    Split.TEST: ("test", "tests", "testing", "eval", "evaluation", "holdout", "heldout", "tst"),
}

_SPLIT_ENDS = ("", "set", "split", "data", "dataset")

SPLIT_WORDS: dict[str, Split] = {
    word + end: split for split, words in _SPLITS.items() for word in words for end in _SPLIT_ENDS
}
"""Normal form of a word to its split."""

_SPLIT_STARTS = ("train", "valid", "test", "eval", "develop", "holdout", "heldout")
_SPLITS_TOGETHER = re.compile(f"(?:{'|'.join(word for words in _SPLITS.values() for word in words)})+")

_OTHER_LABELS = frozenset(
    {
        *("pos", "positive", "positives", "neg", "negative", "negatives"),
        *("yes", "no", "true", "false", "0", "1"),
    }
)

_LABEL_KEYS = frozenset({"label", "labels", "class", "target"})
_SPLIT_KEYS = frozenset({"split", "splits", "set", "subset", "partition", "phase"})
_OTHER_KEYS = frozenset({"group", "groupid", "videoid", "framenumber"})

_SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015\u200b\ufeff]+")
_TOKENS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # of isTrain: is, Train


def normal(text: str) -> str:
    """Return a word without what spellings differ in: case, blanks, ``_``, ``-`` and byte order marks."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=4096)
def label_of(word: str) -> Label | None:
    """Return the label that a word means, or None."""
    return LABEL_WORDS.get(normal(word))


@lru_cache(maxsize=4096)
def split_of(word: str) -> Split | None:
    """Return the split that a word means, or None."""
    return SPLIT_WORDS.get(normal(word))


def has_split_word(text: str) -> bool:
    """Return whether one of the words in a text, such as ``is_train`` or ``isTrain``, means a split."""
    return any(word in SPLIT_WORDS for word in words_in(text))


def words_in(text: str) -> list[str]:
    """Return the runs of letters in a text, in lower case; a capital after a small letter starts one."""
    return [word.lower() for word in _TOKENS.findall(unicodedata.normalize("NFKC", text))]


# ---------------------------------------------------------------------------------------- folders


def hive(folder: str) -> tuple[str, str] | None:
    """Return the key and the value of a folder such as ``split=train``, without URL encoding, or None."""
    key, equals, value = folder.partition("=")
    return (unquote(key), unquote(value)) if equals and key else None


def label_of_folder(folder: str) -> Label | None:
    """Return the label that a folder's name means, alone or as in ``label=flip``; or None."""
    pair = hive(folder)
    if pair is None:
        return label_of(folder)
    return label_of(pair[1]) if normal(pair[0]) in _LABEL_KEYS else None


def split_of_folder(folder: str) -> Split | None:
    """Return the split that a folder's name means, alone or as in ``split=train``; or None."""
    pair = hive(folder)
    if pair is None:
        return split_of(folder)
    return split_of(pair[1]) if normal(pair[0]) in _SPLIT_KEYS else None


def resembles_label(folder: str) -> bool:
    """Return whether a folder that means no label looks as if it were meant to."""
    pair = hive(folder)
    return "flip" in normal(folder) or (pair is not None and normal(pair[0]) in _LABEL_KEYS)


def resembles_split(folder: str) -> bool:
    """Return whether a folder that means no split looks as if it were meant to."""
    pair = hive(folder)
    if pair is not None and normal(pair[0]) in _SPLIT_KEYS:
        return True
    word = normal(folder)
    return word.startswith(_SPLIT_STARTS) or bool(_SPLITS_TOGETHER.fullmatch(word)) or has_split_word(folder)


@lru_cache(maxsize=4096)
def other_label(folder: str) -> str | None:
    """Return the normal form of a folder such as ``pos`` or ``1``, which other data sets have for labels."""
    word = normal(folder)
    return word if word in _OTHER_LABELS else None


def resembles_column(folder: str) -> bool:
    """Return whether a folder such as ``group=desk`` names another column of a manifest; none is read."""
    pair = hive(folder)
    return pair is not None and normal(pair[0]) in _OTHER_KEYS
