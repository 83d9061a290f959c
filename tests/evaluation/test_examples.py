"""Facts about `flipbatch.evaluation.examples`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flipbatch.evaluation.examples import MOST_EXAMPLES, FrameExamples
from flipbatch.schema import PREDICTIONS


def rows_of(*frames, threshold=0.5):
    """Predictions from (label, probability, or None for a corrupt frame), one video."""
    rows = [
        {
            "video_id": "v",
            "frame_number": number,
            "uri": f"/v_{number}.jpg",
            "label": label,
            "status": "corrupt" if value is None else "ok",
            "flip_probability": value,
            "prediction": None if value is None else "flip" if value >= threshold else "notflip",
        }
        for number, (label, value) in enumerate(frames)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTIONS)


def numbers(examples):
    return [example.frame_number for example in examples]


def test_the_most_confident_mistakes_come_first():
    rows = rows_of(("flip", 0.4), ("flip", 0.1), ("flip", 0.9), ("notflip", 0.6), ("notflip", 0.99))
    found = FrameExamples.of(rows, 0.5)
    assert (numbers(found.missed), numbers(found.false), found.uncertain) == ([1, 0], [4, 3], ())
    assert found.missed[0].uri == "/v_1.jpg"


def test_of_frames_without_label_those_nearest_to_the_threshold_come_first():
    found = FrameExamples.of(rows_of((None, 0.9), (None, 0.31), (None, 0.2), (None, None)), 0.3)
    assert numbers(found.uncertain) == [1, 2, 0]
    assert (found.missed, found.false) == ((), ())


def test_examples_of_parts_add_up_to_those_of_the_whole():
    values = np.random.default_rng(0).random(400).round(2).tolist()
    rows = rows_of(*(("flip" if index % 3 else None, value) for index, value in enumerate(values)))
    parts = [FrameExamples.of(rows.slice(start, 100), 0.5) for start in range(0, 400, 100)]
    whole = FrameExamples.of(rows, 0.5)
    assert sum(parts, start=FrameExamples()) == whole
    assert len(whole.missed) == MOST_EXAMPLES
