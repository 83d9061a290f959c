"""Folders named ``KEY=VALUE``, which programs that read tables take for columns.

Knows which values pyarrow (and so pandas), polars, Spark and DuckDB take for something other than text, and
which keys a URI has. Knows no table and looks at no file.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_NUMBER = re.compile(
    r"""[+-]? (?: [0-9][0-9_]* \.? [0-9_]* | \.[0-9_]+ ) (?: e[+-]?[0-9_]+ )? [dfl]?  # Java takes 1d and 2.5f
    |   [+-]? 0x [0-9a-f_.]+ (?: p[+-]?[0-9]+ )? [dfl]?
    |   [+-]? (?: 0b[01_]+ | 0o[0-7_]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DATE = re.compile(r"[0-9] [0-9\W_]* (?: T [0-9\W_]* )? Z?", re.VERBOSE | re.IGNORECASE)
"""Digits and what is between them, such as 2026-11-26, 26.11.2026 or 20261126T101500Z."""

_NULLS = frozenset({"null", "none", "nan", "nat", "na", "__hive_default_partition__"})
_OTHER_WORDS = frozenset({"true", "false", "inf", "infinity"})
_DATE_WORDS = frozenset({"epoch", "now", "today", "tomorrow", "yesterday"})
"""Dates of DuckDB and of Spark 3.0."""


def is_text(value: str) -> bool:
    """Return whether all readers take a folder's value for text: no number, date, truth value or null."""
    return (
        any(character.isalpha() for character in value)
        and value.lower().lstrip("+-") not in _NULLS | _OTHER_WORDS | _DATE_WORDS
        and not _NUMBER.fullmatch(value)
        and not _DATE.fullmatch(value)
    )


def column_notes(uri: str, columns: Collection[str]) -> list[str]:
    """Return a sentence for each folder of an output's URI that readers take for one of these columns.

    Parameters
    ----------
    uri : str
    columns : collection of str
        Of the tables below the URI. Readers see no difference in case.
    """
    names = {column.lower() for column in columns}
    found = (part.partition("=") for part in uri.split("/"))
    return [
        f"--out has the folder {key}={value} in its path: DuckDB and others that take such folders for "
        f"columns put {value} in place of the tables' own column {key}. Choose an --out without it."
        for key, equals, value in found
        if equals and key.lower() in names
    ]
