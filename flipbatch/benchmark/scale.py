"""The cost of large runs: the rate at up to 100,000 real frames, memory and seconds at a million files.

A million frames take half an hour to decode. The million files are hard links to empty files instead: each is
listed, assigned to a shard, read, rejected as empty and written as a row. Does not know how rates are
measured.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flipbatch.benchmark.command import SCORE_COMMAND, start
from flipbatch.benchmark.scoring import repeated, steady_rate
from flipbatch.runtime.ray_connection import connected
from flipbatch.scoring.models import load_models

FILES_PER_DIRECTORY = 10_000


def measure(bundles: Mapping[str, str], uris: Sequence[str], folder: Path) -> dict[str, Any]:
    """Measure the job at growing sizes.

    Returns
    -------
    dict
        ``rate_at_N`` (frames/s), ``driver_mb_at_N`` (MiB), ``whole_seconds_at_N`` for each size N, and
        ``driver_memory_ratio`` of a million to 10,000 files.
    """
    found: dict[str, Any] = {}
    model = next(iter(bundles.values()))
    with connected():
        for count in (1_000, 10_000, 100_000):
            frames = repeated(uris, [None] * len(uris), count)
            out = folder / f"scale{count}"
            found[f"rate_at_{count}"] = steady_rate(load_models([model], None), frames, out).rate
    for count in (10_000, 1_000_000):
        frames = _links(folder / f"links{count}", count)
        out = folder / f"listed{count}"
        arguments = [*SCORE_COMMAND, "--frames", str(frames), "--model", model, "--out", str(out)]
        run = start([*arguments, "--max-error-rate", "1"], out)
        found |= {f"driver_mb_at_{count}": run.driver_mb, f"whole_seconds_at_{count}": run.whole}
        shutil.rmtree(frames)
        shutil.rmtree(out)
    found["driver_memory_ratio"] = found["driver_mb_at_1000000"] / found["driver_mb_at_10000"]
    return found


def _links(folder: Path, count: int) -> Path:
    """Make a directory tree of hard links to empty files, with names of frames."""
    folder.mkdir()
    empty = folder.with_suffix(".empty")
    empty.touch()
    for first in range(0, count, FILES_PER_DIRECTORY):
        video = folder / ("flip", "notflip")[first // FILES_PER_DIRECTORY % 2] / f"{first:07d}"
        video.mkdir(parents=True)
        for frame in range(first, min(count, first + FILES_PER_DIRECTORY)):
            # 250 frames per video. Most file systems allow 65,000 links per file.
            if frame % 50_000 == 0:
                empty = folder / f".{frame}"
                empty.touch()
            os.link(empty, video / f"{frame // 250:04d}_{frame:09d}.jpg")
    return folder
