"""Columns as masks."""

import pyarrow as pa

from flipbatch.evaluation.columns import equals
from flipbatch.schema import Label


def test_a_null_equals_no_word():
    column = pa.chunked_array([["flip", None], ["notflip"], []], pa.string())
    assert equals(column, Label.FLIP).tolist() == [True, False, False]
