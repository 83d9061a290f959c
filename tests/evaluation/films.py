"""Rows of films for tests of page turns and stills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from flipbatch.evaluation.page_turns import FilmFrames
from flipbatch.schema import FRAME_FACTS

COLUMNS = pa.schema(
    [
        pa.field("video_id", pa.string()),
        pa.field("frame_number", pa.int64()),
        pa.field("uri", pa.string()),
        pa.field("label", pa.string()),
        pa.field("group", pa.string()),
        *FRAME_FACTS,
        pa.field("model", pa.float32()),
    ]
)

TURN: Sequence[float | None] = [0.1] * 40 + [0.9] * 20 + [0.1] * 40
"""A page rests, turns and rests: 100 probabilities."""


def film(video_id: str, probabilities: Sequence[float | None], **columns: Any) -> pa.Table:
    """Return the rows of a video, numbered from 0; other columns are null or given."""
    count = len(probabilities)
    rows: dict[str, Any] = {name: [None] * count for name in COLUMNS.names}
    rows["frame_number"] = range(count)
    rows |= {"video_id": [video_id] * count, "group": ["book"] * count, "model": probabilities}
    rows |= columns
    rows["uri"] = [f"{video_id}_{number}.jpg" for number in rows["frame_number"]]
    return pa.table({name: pa.array(rows[name], COLUMNS.field(name).type) for name in COLUMNS.names})


def smooth(*films: pa.Table, threshold: float = 0.5) -> FilmFrames:
    """Smooth videos."""
    rows = pa.concat_tables([COLUMNS.empty_table(), *films])
    return FilmFrames.of(rows, rows["model"], threshold)


def thumbnails(levels: Sequence[int]) -> list[bytes]:
    """Return thumbnails of one grey level each."""
    return [
        np.full(FRAME_FACTS.field("thumbnail").type.byte_width, level, np.uint8).tobytes() for level in levels
    ]
