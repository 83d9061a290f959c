"""Facts about `flipbatch.runtime.wording`."""

from __future__ import annotations

import pytest

from flipbatch.runtime.wording import counted, numbered


@pytest.mark.parametrize(
    ("count", "noun", "sentence"),
    [(0, "0 frames", "0 files are"), (1, "1 frame", "1 file is"), (2000, "2,000 frames", "2,000 files are")],
)
def test_words_go_with_their_count(count, noun, sentence):
    assert counted(count, "frame") == noun
    assert numbered("{count} {file is|files are}", count) == sentence
