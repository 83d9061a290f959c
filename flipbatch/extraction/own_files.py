"""Before a file is written: every frame gets a file of its own, with a name that a file can have.

Two films or images of one video may have the same frame number, such as ``a.mp4`` and ``a.mov``. Scoring
keeps both frames apart by their URIs; as files, one would take the place of the other. So would frames of two
videos, such as ``a`` with the label ``flip`` and ``flip/a``.

Knows rows of a manifest. Opens no film.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.extraction.pictures import file_name

_COLUMNS = ["video_id", "frame_number", "label", "split", "uri"]


def require_own_files(tables: Iterable[pa.Table]) -> None:
    """Refuse frames of which two would be the same file, and videos of which two would be one.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        `schema.MANIFEST`, sorted by (video_id, frame_number).

    Raises
    ------
    InputError
        Also if a video's id can't be the name of a file.
    """
    frame: tuple[str, int] | None = None
    uris = dict[str, str]()  # of the files of one frame of one video
    videos = dict[str, str]()  # by the start of their files' names
    for table in tables:
        for row in table.select(_COLUMNS).to_pylist():
            if frame != (row["video_id"], row["frame_number"]):
                frame, uris = (row["video_id"], row["frame_number"]), {}
            name = file_name(row)
            if name in uris:
                raise InputError(
                    f"{uris[name]} and {row['uri']} would both be the file {name}: rename one of them, or "
                    "extract them apart."
                )
            uris[name] = row["uri"]
            start = name.rpartition("_")[0]
            if videos.setdefault(start, row["video_id"]) != row["video_id"]:
                raise InputError(
                    f"The videos {videos[start]!r} and {row['video_id']!r} would both have the files "
                    f"{start}_*: give one of them another id in a table (--manifest), or extract them apart."
                )
