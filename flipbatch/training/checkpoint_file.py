"""One file with the state of a training run in this process.

Knows torch's format, without pickled code, and storage. Does not know what a checkpoint contains.
"""

from __future__ import annotations

import io
from typing import Any

import torch

from flipbatch import storage


def write_checkpoint(checkpoint: dict[str, Any], file: str) -> None:
    """Write a checkpoint, in place of one that is there.

    Raises
    ------
    StorageError
    """
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    storage.write(file, buffer.getvalue())


def read_checkpoint(file: str) -> dict[str, Any] | None:
    """Read a checkpoint, its tensors on the CPU; None if there is none.

    Raises
    ------
    StorageError
    """
    if not storage.exists(file):
        return None
    data = storage.read_required(file, "the checkpoint")
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
