"""The rate of a training epoch, of flipbatch and of a standard PyTorch DataLoader loop.

Measures epochs after the first: flipbatch decodes frames once and keeps their pixels, the DataLoader loop
decodes each frame at full size in each epoch. Does not know Ray, checkpoints or several workers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pyarrow as pa
import torch
from torch.nn import functional

from flipbatch.benchmark.baselines import usual_loader, usual_network
from flipbatch.frames.decode import InputSize
from flipbatch.models.bundle import Bundle
from flipbatch.training.epoch import Loss
from flipbatch.training.fit import Fit, Settings
from flipbatch.training.frame_cache import FrameCache, cache_rows, decode_rows
from flipbatch.training.process_settings import set_up
from flipbatch.training.recipes import Recipe


def cached(frames: pa.Table, size: InputSize) -> FrameCache:
    """Decode frames (`schema.MANIFEST`) into a cache, as training does."""
    rows = cache_rows(frames)
    columns = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}
    return FrameCache.collect([decode_rows(columns, size)], size)


def our_epochs(bundle: Bundle, cache: FrameCache, recipe: Recipe, cores: int) -> float:
    """Return the frames/s of the second and third epoch."""
    set_up(cores)
    network = bundle.network().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    loss = Loss(len(cache) // 2 or 1, len(cache) // 2 or 1)
    ended: list[float] = []
    few = cache.take(slice(2))
    fit = Fit(network, cache, few, loss, recipe, Settings(epochs=3, patience=3))
    fit.run(lambda entry, checkpoint: ended.append(time.perf_counter()))
    return len(cache) * (len(ended) - 1) / (ended[-1] - ended[0])


def ordinary_epoch(bundle: Bundle, uris: Sequence[str], cores: int) -> float:
    """Return the frames/s of one epoch of a DataLoader loop, from the end of its first batch on."""
    torch.set_num_threads(cores)
    network = usual_network(bundle).train()
    optimizer = torch.optim.AdamW(network.parameters())
    first, frames, started = True, 0, 0.0
    for pixels, target in usual_loader([(uri, row % 2) for row, uri in enumerate(uris)], cores, shuffle=True):
        loss = functional.binary_cross_entropy_with_logits(network(pixels), target.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        frames += 0 if first else len(pixels)
        started, first = (time.perf_counter() if first else started), False
    return frames / (time.perf_counter() - started)
