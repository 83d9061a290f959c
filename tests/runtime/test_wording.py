"""Facts about `flipbatch.runtime.wording`."""

from __future__ import annotations

import pytest

from flipbatch.runtime.wording import about, counted, numbered


@pytest.mark.parametrize(
    ("count", "noun", "sentence"),
    [(0, "0 frames", "0 files are"), (1, "1 frame", "1 file is"), (2000, "2,000 frames", "2,000 files are")],
)
def test_words_go_with_their_count(count, noun, sentence):
    assert counted(count, "frame") == noun
    assert numbered("{count} {file is|files are}", count) == sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (90, "90 s"),
        (119, "119 s"),
        (180, "3 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (1e6, "12 days"),
    ],
)
def test_a_duration_is_about_so_much(seconds, text):
    assert about(seconds) == text
