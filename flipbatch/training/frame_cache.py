"""Labelled frames, decoded once and kept as small uint8 pixels.

Knows how a batch of manifest rows is decoded and what a training worker holds in memory; knows no Ray,
though the batches come through it, and no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from flipbatch.frames.decode import InputSize
from flipbatch.frames.load import load_frames, start_reading
from flipbatch.schema import Label, Status

_HALVED_AT_A_TIME = 256
_EMBEDDED_AT_A_TIME = 64

Batch = Mapping[str, npt.NDArray[Any]]


def cache_rows(frames: pa.Table) -> pa.Table:
    """Return what a worker must know of each frame: its row, video, number, URI, version and class.

    Parameters
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, labelled.
    """
    positive = pa.array([label == Label.FLIP for label in frames["label"].to_pylist()], pa.bool_())
    return frames.select(["video_id", "group", "frame_number", "uri", "version"]).append_column(
        "positive", positive
    )


def decode_rows(batch: Batch, size: InputSize) -> dict[str, npt.NDArray[Any]]:
    """Decode `cache_rows`: adds ``pixels`` (N, height, width, 3) uint8, ``status`` and ``error``."""
    uris = [str(uri) for uri in batch["uri"]]
    loaded = load_frames(uris, [size], start_reading(uris, list(batch["version"])))[size]
    loaded.pixels[~loaded.ok] = 0
    status = np.array([str(status) for status in loaded.status], dtype=str)
    error = np.array([error or "" for error in loaded.error], dtype=str)
    return {**batch, "pixels": loaded.pixels, "status": status, "error": error}


@dataclass(frozen=True)
class FrameCache:
    """The frames of one split that one worker holds.

    Attributes
    ----------
    pixels : Tensor
        (N, height, width, 3), uint8, RGB, on the CPU; of an `embedded` cache (N, features), float32.
    positive : Tensor
        (N,), bool: whether the frame shows a flip.
    video_id : ndarray
        (N,), str.
    group : ndarray
        (N,), str: book, place or recording.
    frame_number : ndarray
        (N,), int64.
    """

    pixels: Tensor
    positive: Tensor
    video_id: npt.NDArray[Any]
    group: npt.NDArray[Any]
    frame_number: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: slice | npt.NDArray[Any]) -> FrameCache:
        """Return some of the frames: a slice, row numbers, or (N,) bool."""
        return FrameCache(
            self.pixels[rows],
            self.positive[rows],
            self.video_id[rows],
            self.group[rows],
            self.frame_number[rows],
        )

    def halved(self) -> FrameCache:
        """Return the same frames at half their height and width, each pixel the mean of four."""
        parts = [
            functional.avg_pool2d(part.permute(0, 3, 1, 2).float(), 2).round().byte().permute(0, 2, 3, 1)
            for part in self.pixels.split(_HALVED_AT_A_TIME)
        ]
        return replace(self, pixels=torch.cat(parts) if parts else self.pixels)

    def embedded(self, embed: Callable[[Tensor], Tensor], device: torch.device) -> FrameCache:
        """Return what a network's head decides by, of each frame, in place of its pixels.

        Parameters
        ----------
        embed : callable
            Takes (n, 3, height, width), uint8, on the device; gives (n, features), float32.
        device : torch.device
        """
        with torch.no_grad():
            batches = self.pixels.permute(0, 3, 1, 2).split(_EMBEDDED_AT_A_TIME)
            parts = [embed(batch.to(device)).cpu() for batch in batches if len(batch)]
        return replace(self, pixels=torch.cat(parts) if parts else torch.empty(0, 0))

    @classmethod
    def collect(cls, batches: Iterable[Batch], size: InputSize) -> FrameCache:
        """Keep the decoded frames of batches from `decode_rows`, sorted by URI so that order repeats."""
        columns = {
            "positive": bool,
            "video_id": object,
            "group": object,
            "frame_number": np.int64,
            "uri": object,
        }
        names = ("pixels", *columns)
        kept = [{name: batch[name][batch["status"] == Status.OK] for name in names} for batch in batches]
        whole: dict[str, npt.NDArray[Any]] = {
            name: np.concatenate([np.empty(0, dtype), *(batch[name] for batch in kept)])
            for name, dtype in columns.items()
        }
        order = np.argsort(whole["uri"].astype(str), kind="stable")
        return cls(
            pixels=torch.from_numpy(_in_order([batch.pop("pixels") for batch in kept], order, size)),
            positive=torch.from_numpy(whole["positive"][order]),
            video_id=whole["video_id"][order],
            group=whole["group"][order],
            frame_number=whole["frame_number"][order],
        )


def _in_order(
    parts: list[npt.NDArray[np.uint8]], order: npt.NDArray[np.int64], size: InputSize
) -> npt.NDArray[np.uint8]:
    """Put rows in order, each part let go of as it is done: pixels are never held three times over."""
    pixels = np.empty((len(order), size.height, size.width, 3), np.uint8)
    place = np.argsort(order)
    while parts:
        part = parts.pop()
        place, own = np.split(place, [len(place) - len(part)])
        pixels[own] = part
    return pixels
