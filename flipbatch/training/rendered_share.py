"""Rendered frames beside real ones: they show what a few books do not.

Knows caches and the stream. Does not know networks, splits or Ray.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch

from flipbatch.frames.fitting import InputSize
from flipbatch.training.frame_cache import FrameCache
from flipbatch.training.rendered_places import LabelledFrames, render_place

RENDERED = "rendered"
"""Group of rendered frames."""


def with_rendered(
    cache: FrameCache, share: float, size: InputSize, seed: int, rank: int = 0, ranks: int = 1
) -> FrameCache:
    """Return a rank's training frames with rendered ones, which are the same for the same arguments.

    Parameters
    ----------
    cache : FrameCache
    share : float
        Share of rendered frames in the result, 0 to less than 1.
    size : InputSize
        The size of the cache's frames.
    seed : int
        Of the stream.
    rank, ranks : int
        Each rank renders other places.
    """
    wanted = round(len(cache) * share / (1 - share))
    if not wanted:
        return cache
    parts = list(_until(wanted, (render_place(seed, place, size) for place in count(rank, ranks))))
    pixels = np.concatenate([part.pixels for part in parts])[:wanted]
    positive = np.concatenate([part.positive for part in parts])[:wanted]
    names = np.full(wanted, RENDERED, dtype=object)
    return FrameCache(
        pixels=torch.cat([cache.pixels, torch.from_numpy(pixels)]),
        positive=torch.cat([cache.positive, torch.from_numpy(positive)]),
        video_id=np.concatenate([cache.video_id, names]),
        group=np.concatenate([cache.group, names]),
        frame_number=np.concatenate([cache.frame_number, np.arange(wanted)]),
        uri=np.concatenate([cache.uri, names]),
    )


def _until(wanted: int, parts: Iterator[LabelledFrames]) -> Iterator[LabelledFrames]:
    """Yield parts until they have so many frames."""
    found = 0
    while found < wanted:
        part = next(parts)
        found += len(part.positive)
        yield part
