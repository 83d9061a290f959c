"""The place of a frame: frames of one place share the offset that ``score --adapt`` estimates.

Knows rows of a manifest. Does not know models or logits, and reads no label.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch.frames.names import default_group

ROOT = "."
"""The place of frames that are in no folder but those of labels and splits."""


def place_of(video_id: str, group: str) -> str:
    """Return the place of a video: its group if a table gives one, else its directory.

    The directory is that of the video_id without the label folder: relative to the root, without the split.
    So ``testing/flip`` and ``training/notflip`` of one root are one place. A group that is
    `names.default_group` of the video is none of a table: a run's manifest may be a table, too.

    Parameters
    ----------
    video_id, group : str
        As in `schema.MANIFEST`.

    Returns
    -------
    str
        Not empty.
    """
    own = default_group(video_id)
    return group if group != own else own.rpartition("/")[0] or ROOT


class RowPlaces(NamedTuple):
    """The places of some rows.

    Attributes
    ----------
    names : list of str
        The places, each once.
    codes : ndarray
        (N,), int64: the place of each row, as an index of `names`.
    """

    names: list[str]
    codes: npt.NDArray[np.int64]


def row_places(rows: pa.Table) -> RowPlaces:
    """Return the place of each row; the table has ``video_id`` and ``group``, and a video is in one group."""
    videos = rows["video_id"].combine_chunks().dictionary_encode()
    _, firsts, of_row = np.unique(videos.indices.to_numpy(), return_index=True, return_inverse=True)
    groups = rows["group"].take(pa.array(firsts)).to_pylist()
    of_video = [place_of(*one) for one in zip(videos.dictionary.to_pylist(), groups, strict=True)]
    codes = {place: code for code, place in enumerate(dict.fromkeys(of_video))}
    return RowPlaces(list(codes), np.array([codes[place] for place in of_video], np.int64)[of_row])
