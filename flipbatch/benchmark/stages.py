"""Each stage of scoring alone, as a function that one core calls over and over.

Knows reading, decoding and predicting; knows no Ray and no clock.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from flipbatch import storage
from flipbatch.frames.decode import InputSize
from flipbatch.frames.load import load_frames
from flipbatch.models.bundle import load_bundle
from flipbatch.models.predictor import Engine, fastest_engine


def read(uris: tuple[str, ...]) -> int:
    """Read frames from storage; return how many."""
    return sum(not isinstance(data, OSError) for data in storage.read_many(uris))


def decode(uris: tuple[str, ...], size: InputSize) -> int:
    """Read and decode frames; return how many."""
    return len(load_frames(uris, [size])[size].pixels)


def forward(bundle_uri: str, uris: tuple[str, ...]) -> int:
    """Predict frames that were decoded before; return how many."""
    engine, size = _engine(bundle_uri)
    return len(engine.logits(_pixels(uris, size)))


@lru_cache
def _engine(bundle_uri: str) -> tuple[Engine, InputSize]:
    bundle, _ = load_bundle(bundle_uri)
    return fastest_engine(bundle), bundle.input_size


@lru_cache
def _pixels(uris: tuple[str, ...], size: InputSize) -> npt.NDArray[np.uint8]:
    return load_frames(uris, [size])[size].pixels
