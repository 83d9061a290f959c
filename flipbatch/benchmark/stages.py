"""The stages of scoring, each alone: reading, decoding and predicting, as functions for `Cores.rate`.

The rate of `decode` on all cores is the upper bound of the job. `decode_by_simplejpeg` is the usual
decoder with nothing around it: the benchmark's `decode_limit`, the same through all versions. Knows
storage, decoders and engines. Does not know Ray, commits or a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from flipbatch import storage
from flipbatch.frames.decode import InputSize
from flipbatch.frames.load import load_frames
from flipbatch.models.bundle import load_bundle
from flipbatch.models.predictor import Engine, fastest_engine


def read(uris: tuple[str, ...]) -> int:
    """Read frames from storage; return the number read without error."""
    return sum(not isinstance(data, OSError) for data in storage.read_many(uris))


def decode(uris: tuple[str, ...], size: InputSize) -> int:
    """Read and decode frames; return their number."""
    return len(load_frames(uris, [size])[size].pixels)


def decode_by_simplejpeg(uris: tuple[str, ...], size: InputSize) -> int:
    """Read JPEGs, and decode them strictly at the smallest scale that covers the input; return how many."""
    least = {"min_height": size.height, "min_width": size.width}
    files = [data for data in storage.read_many(uris) if not isinstance(data, OSError)]
    return sum(len(simplejpeg.decode_jpeg(data, "RGB", **least, strict=True)) > 0 for data in files)


def decode_on_gpu(uris: tuple[str, ...], size: InputSize) -> int:
    """Read JPEGs, decode them on a GPU at full size and average them there; return their number."""
    import torch
    from torchvision.io import decode_jpeg

    files = [data for data in storage.read_many(uris) if not isinstance(data, OSError)]
    encoded = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files]
    decoded = [picture for some in _in_groups(encoded) for picture in decode_jpeg(some, device="cuda")]
    shape = (size.height, size.width)
    fitted = [torch.nn.functional.interpolate(one[None].float(), shape, mode="area") for one in decoded]
    return len(torch.cat(fitted).byte().cpu())


def decode_films(uris: tuple[str, ...]) -> int:
    """Decode films by FFmpeg, and nothing else: one thread, no strictness, no scaling; return the frames."""
    import av

    frames = 0
    for uri in uris:
        with storage.open_version(uri, None) as file, av.open(file, "r") as container:
            container.streams.video[0].codec_context.thread_count = 1
            frames += sum(1 for _ in container.decode(video=0))
    return frames


def _in_groups(items: list[Any], size: int = 16) -> Iterator[list[Any]]:
    """Yield some at a time: 16 pictures of 1080x1920 take 100 MB of the GPU's memory."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def forward(bundle_uri: str, uris: tuple[str, ...]) -> int:
    """Predict frames whose pixels are in memory; return their number."""
    engine, size = _engine(bundle_uri)
    return len(engine.logits(_pixels(uris, size)))


@lru_cache
def _engine(bundle_uri: str) -> tuple[Engine, InputSize]:
    bundle, _ = load_bundle(bundle_uri)
    return fastest_engine(bundle), bundle.input_size


@lru_cache
def _pixels(uris: tuple[str, ...], size: InputSize) -> npt.NDArray[np.uint8]:
    return load_frames(uris, [size])[size].pixels
