"""Cells of a table's columns: blanks around them, words for nothing, and numbers written as floats.

Knows how pandas, R and Spark write them; knows no file format and no labels.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flipbatch.errors import InputError
from flipbatch.frames.notes import Notes

_EMPTY = ("nan", "-nan", "na", "n/a", "<na>", "#n/a", "#na", "null", "none", "nat", "\\n")
"""What pandas, R, Excel and databases write for nothing, in lower case."""

_READ_AS_EMPTY = "{count} {cell|cells} of the manifest {is|are} read as empty: {examples}."

_WHOLE_DECIMAL = r"^(-?[0-9]+)\.0+$"
_EXPONENT = r"^-?[0-9](\.[0-9]+)?e\+[0-9]+$|^-?[0-9]\.[0-9]+E[0-9]+$"
_EXACT = 2.0**53

# pyarrow.compute makes its functions at import:
# pyright: reportAttributeAccessIssue=false


def clean_cells(uri: str, name: str, text: pa.ChunkedArray, notes: Notes) -> pa.ChunkedArray:
    """Return a column without blanks around cells; ``NaN`` and such words are null, and ``1.0`` is ``1``.

    Parameters
    ----------
    uri, name : str
        Of the table and the column, for messages.
    text : pyarrow.ChunkedArray
        Strings.
    notes : Notes
        Gets the words that are read as empty cells.

    Raises
    ------
    InputError
        If numbers were written as floats that may have lost digits.
    """
    text = _without_empty_words(pc.utf8_trim_whitespace(text), notes)
    return _without_decimals(uri, name, text)


def _without_empty_words(text: pa.ChunkedArray, notes: Notes) -> pa.ChunkedArray:
    empty = pc.is_in(pc.utf8_lower(text), value_set=pa.array(_EMPTY))
    if not pc.any(empty).as_py():
        return text
    for word in pc.value_counts(text.filter(empty)).to_pylist():
        notes.count(_READ_AS_EMPTY, word["values"], word["counts"])
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def _without_decimals(uri: str, name: str, text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn 12.0 into 12 if all cells that are not empty are such numbers."""
    exponents = text.filter(pc.match_substring_regex(text, _EXPONENT))
    if len(exponents):
        raise _inexact(uri, name, exponents[0].as_py())
    filled = pc.fill_null(pc.not_equal(text, ""), False)
    whole = pc.fill_null(pc.match_substring_regex(text, _WHOLE_DECIMAL), False)
    if not pc.all(pc.equal(filled, whole)).as_py():
        return text
    numbers = text.filter(whole)
    large = numbers.filter(pc.greater(pc.abs(numbers.cast(pa.float64())), _EXACT))
    if len(large):
        raise _inexact(uri, name, large[0].as_py())
    return pc.replace_substring_regex(text, _WHOLE_DECIMAL, r"\1")


def _inexact(uri: str, name: str, cell: str) -> InputError:
    return InputError(
        f"The manifest {uri} has a column {name} with numbers written as floats, such as {cell}, whose last "
        "digits may be lost: write integers or text."
    )
