"""Manifests for tests of splits: rows without files."""

from __future__ import annotations

import pyarrow as pa

from flipbatch.frames.names import default_group
from flipbatch.schema import MANIFEST

Video = tuple[str, str | None, str | None, int]
"""Video id, label, split, number of frames."""


def manifest(*videos: Video, groups: dict[str, str] | None = None) -> pa.Table:
    """Return a manifest of videos; `groups` gives the group of a video that is not the default."""
    groups = groups or {}
    rows = [
        {"video_id": video, "frame_number": number, "uri": f"{video}_{place}_{number}.jpg"}
        | {"label": label, "split": split, "group": groups.get(video, default_group(video))}
        for place, (video, label, split, frames) in enumerate(videos)
        for number in range(frames)
    ]
    rows.sort(key=lambda row: (row["video_id"], row["frame_number"], row["uri"]))
    return pa.Table.from_pylist(rows, MANIFEST)


def unsplit(flips: int, notflips: int, frames: int = 4) -> pa.Table:
    """Return a manifest without splits; each video is a group of its own."""
    return manifest(
        *((f"flip/f{number:03d}", "flip", None, frames) for number in range(flips)),
        *((f"notflip/n{number:03d}", "notflip", None, frames) for number in range(notflips)),
    )


def books(count: int, frames: int = 3) -> pa.Table:
    """Return a manifest of books, groups of two flip and two notflip videos each."""
    videos = [
        (f"{label}/{book}-{video}", label, None, frames)
        for book in range(count)
        for label in ("flip", "notflip")
        for video in range(2)
    ]
    groups = {video[0]: f"book {video[0].split('/')[1][0]}" for video in videos}
    return manifest(*videos, groups=groups)
