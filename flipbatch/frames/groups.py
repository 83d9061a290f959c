"""Each video is in one group: a table that puts a video into two groups is refused.

Knows rows of `schema.MANIFEST`, sorted and in batches. Memory holds one row more than a batch.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.frames.names import default_group
from flipbatch.schema import MANIFEST

_COLUMNS = ["video_id", "group"]


class GroupCheck:
    """Checks rows that are sorted by video and come in batches."""

    def __init__(self) -> None:
        self._last = pa.RecordBatch.from_pylist([], pa.schema([MANIFEST.field(name) for name in _COLUMNS]))

    def add(self, rows: pa.RecordBatch) -> None:
        """Check the next rows.

        Raises
        ------
        InputError
            Where two frames of a video have different groups.
        """
        rows = pa.concat_batches([self._last, rows.select(_COLUMNS)])
        videos, groups = (column.dictionary_encode().indices.to_numpy() for column in rows.columns)
        (conflicts,) = np.nonzero((np.diff(videos) == 0) & (np.diff(groups) != 0))
        if len(conflicts):
            one, other = rows.slice(int(conflicts[0]), 2).to_pylist()
            raise _two_groups(one["video_id"], one["group"], other["group"])
        self._last = rows.slice(max(0, rows.num_rows - 1))


def _two_groups(video_id: str, one: str, other: str) -> InputError:
    default = default_group(video_id)
    hint = f" (an empty cell means {default})" if default in (one, other) else ""
    return InputError(
        f"The manifest puts video {video_id} into two groups, {one} and {other}{hint}: give all frames of a "
        "video the same group."
    )
