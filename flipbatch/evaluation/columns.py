"""Columns of tables as masks.

Knows Arrow columns of strings. Does not know which columns a table has.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def equals(column: pa.ChunkedArray, word: str) -> NDArray[np.bool_]:
    """Return which values of a column equal a word, bool [N]; a null equals none."""
    equal = pc.equal(column, str(word))  # pyright: ignore[reportAttributeAccessIssue]  (made at import)
    return pc.fill_null(equal, False).to_numpy()
