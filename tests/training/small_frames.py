"""Small frames that a network learns in seconds: striped ones are flips, plain ones are not."""

from __future__ import annotations

import numpy as np
import torch

from flipbatch.training.frame_cache import FrameCache

HEIGHT, WIDTH = 64, 48


def cache_of(count: int, seed: int = 0, rows: slice = slice(None), noise: float = 6) -> FrameCache:
    """Return `rows` of `count` frames, in videos of four, every other video a flip.

    `noise` is the standard deviation of each value, in grey levels.
    """
    rng = np.random.default_rng(seed)
    positive = np.arange(count) // 4 % 2 == 0
    light = rng.uniform(90, 160, (count, 1, 1, 3)) + rng.normal(0, noise, (count, HEIGHT, WIDTH, 3))
    stripes = 60 * (np.arange(WIDTH) // 6 % 2 - 0.5)[:, None]
    pixels = np.clip(light + stripes * positive[:, None, None, None], 0, 255).astype(np.uint8)
    videos = np.array([f"{number // 4:04d}" for number in range(count)], dtype=object)
    return FrameCache(
        pixels=torch.from_numpy(pixels[rows]),
        positive=torch.from_numpy(positive[rows]),
        video_id=videos[rows],
        group=videos[rows],
        frame_number=np.arange(count)[rows],
        uri=videos[rows],
    )
