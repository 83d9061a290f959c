"""Labelled frames, decoded once and kept as small uint8 pixels.

Knows how a batch of manifest rows is decoded and what a training worker holds in memory; knows no Ray and
no network.
"""

from __future__ import annotations

import hashlib
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
from flipbatch.frames.load import LoadedFrames, load_frames, start_reading
from flipbatch.schema import Label, Split, Status

_HALVED_AT_A_TIME = 256
_EMBEDDED_AT_A_TIME = 64

_COLUMNS: dict[str, Any] = {
    "row": np.int64,
    "positive": bool,
    "video_id": object,
    "group": object,
    "frame_number": np.int64,
    "uri": object,
}

Batch = Mapping[str, npt.NDArray[Any]]

OUTCOMES = pa.schema(
    [
        ("row", pa.int64()),
        ("uri", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("digest", pa.string()),
    ]
)
"""What became of each frame. Frames with equal digests show one picture; it is empty unless decoded."""


def cache_rows(frames: pa.Table) -> pa.Table:
    """Return what a worker needs of each frame: row, video, group, number, URI, version and class.

    Parameters
    ----------
    frames : pyarrow.Table
        `schema.MANIFEST`, labelled.
    """
    positive = pa.array([label == Label.FLIP for label in frames["label"].to_pylist()], pa.bool_())
    columns = frames.select(["video_id", "group", "frame_number", "uri", "version"])
    rows = pa.array(range(frames.num_rows), pa.int64())
    return columns.append_column("positive", positive).append_column("row", rows)


def decode_rows(batch: Batch, size: InputSize) -> dict[str, npt.NDArray[Any]]:
    """Decode `cache_rows`: adds ``pixels`` (N, height, width, 3) uint8, ``status``, ``error``, ``digest``."""
    uris = [str(uri) for uri in batch["uri"]]
    loaded = load_frames(uris, [size], start_reading(uris, list(batch["version"])))[size]
    loaded.pixels[~loaded.ok] = 0
    status = np.array([str(status) for status in loaded.status], dtype=str)
    error = np.array([error or "" for error in loaded.error], dtype=str)
    return {
        **batch,
        "pixels": loaded.pixels,
        "status": status,
        "error": error,
        "digest": np.array(_digests(loaded), dtype=str),
    }


def _digests(loaded: LoadedFrames) -> list[str]:
    """Return 32 hexadecimal digits of each frame's picture; nothing of those that were not decoded.

    Every second row of pixels is an eighth of the file's bytes: it costs 1.2 % of decoding, the file 6.5 %. A
    copy of a file with other metadata has the same digest.
    """
    return [
        hashlib.sha256(pixels[::2].tobytes()).hexdigest()[:32] if ok else ""
        for pixels, ok in zip(loaded.pixels, loaded.ok, strict=True)
    ]


def is_ok(outcomes: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which frames of `OUTCOMES` were decoded, (N,)."""
    return np.array([status == Status.OK for status in outcomes["status"].to_pylist()], dtype=bool)


@dataclass(frozen=True)
class FrameCache:
    """The frames of one split, as one worker holds them.

    Attributes
    ----------
    pixels : Tensor
        (N, height, width, 3), uint8, RGB, on the CPU; of an `embedded` cache (N, features), float32.
    positive : Tensor
        (N,), bool: whether the frame shows a flip.
    video_id : ndarray
        (N,), str.
    group : ndarray
        (N,), str: the book, place or recording.
    frame_number : ndarray
        (N,), int64.
    uri : ndarray
        (N,), str: the frame's file, or the frame of a film.
    """

    pixels: Tensor
    positive: Tensor
    video_id: npt.NDArray[Any]
    group: npt.NDArray[Any]
    frame_number: npt.NDArray[np.int64]
    uri: npt.NDArray[Any]

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
            self.uri[rows],
        )

    def halved(self) -> FrameCache:
        """Return the same frames at half their height and width, each pixel the mean of four."""
        parts = [
            functional.avg_pool2d(part.permute(0, 3, 1, 2).float(), 2).round().byte().permute(0, 2, 3, 1)
            for part in self.pixels.split(_HALVED_AT_A_TIME)
        ]
        return replace(self, pixels=torch.cat(parts) if parts else self.pixels)

    def embedded(self, embed: Callable[[Tensor], Tensor], device: torch.device) -> FrameCache:
        """Return the same frames with the features that a network's head takes in place of pixels.

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
        """Keep the decoded frames of batches from `decode_rows`, sorted by URI."""
        return cls._assemble([_rows_of(batch, batch["status"] == Status.OK) for batch in batches], size)

    @classmethod
    def _assemble(cls, parts: list[dict[str, npt.NDArray[Any]]], size: InputSize) -> FrameCache:
        whole: dict[str, npt.NDArray[Any]] = {
            name: np.concatenate([np.empty(0, dtype), *(part[name] for part in parts)])
            for name, dtype in _COLUMNS.items()
        }
        order = np.lexsort((whole["row"], whole["uri"].astype(str)))
        return cls(
            pixels=torch.from_numpy(_in_order([part.pop("pixels") for part in parts], order, size)),
            positive=torch.from_numpy(whole["positive"][order]),
            video_id=whole["video_id"][order],
            group=whole["group"][order],
            frame_number=whole["frame_number"][order],
            uri=whole["uri"][order],
        )


def collect_splits(
    batches: Iterable[Batch], splits: npt.NDArray[np.str_], size: InputSize
) -> dict[Split, FrameCache]:
    """Keep the decoded frames of each split.

    Parameters
    ----------
    batches : iterable of Batch
        From `decode_rows`.
    splits : ndarray
        (rows,), str: the split of each row; empty where it is left out.
    size : InputSize
    """
    parts: dict[Split, list[dict[str, npt.NDArray[Any]]]] = {split: [] for split in Split}
    for batch in batches:
        of_batch = np.where(batch["status"] == Status.OK, splits[batch["row"]], "")
        for split in Split:
            parts[split].append(_rows_of(batch, of_batch == split))
    return {split: FrameCache._assemble(parts.pop(split), size) for split in Split}


def _rows_of(batch: Batch, mask: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[Any]]:
    return {name: batch[name][mask] for name in ("pixels", *_COLUMNS)}


def _in_order(
    parts: list[npt.NDArray[np.uint8]], order: npt.NDArray[np.int64], size: InputSize
) -> npt.NDArray[np.uint8]:
    """Put rows in order; each part is freed once it is copied, so that pixels are held at most twice."""
    pixels = np.empty((len(order), size.height, size.width, 3), np.uint8)
    place = np.argsort(order)
    while parts:
        part = parts.pop()
        place, own = np.split(place, [len(place) - len(part)])
        pixels[own] = part
    return pixels
