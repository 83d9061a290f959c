"""How much damage the decoder finds: ``uv run python -m tests.faults.damage FRAMES``, a directory of JPEGs.

Each kind of damage is done to each frame 50 times, at random places of its compressed pixels. Damage that is
not found is compared with the undamaged frame, at the input size of the models.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from flipbatch.frames.decode import InputSize, Rejection, decode

TIMES = 50
SIZE = InputSize(240, 135)
SCAN = b"\xff\xda"

Damage = Callable[[bytearray, int, random.Random], bytes]


def flip(bits: int) -> Damage:
    """Flip so many neighbouring bits."""

    def damage(data: bytearray, start: int, chance: random.Random) -> bytes:
        first = chance.randrange(start * 8, len(data) * 8 - bits)
        for bit in range(first, first + bits):
            data[bit // 8] ^= 1 << bit % 8
        return bytes(data)

    return damage


def fill(size: int, noise: bool) -> Damage:
    """Put zeros or noise over so many bytes."""

    def damage(data: bytearray, start: int, chance: random.Random) -> bytes:
        first = chance.randrange(start, len(data) - size)
        data[first : first + size] = chance.randbytes(size) if noise else bytes(size)
        return bytes(data)

    return damage


def cut(ended: bool) -> Damage:
    """End a file early, and say that this is its end or not."""

    def damage(data: bytearray, start: int, chance: random.Random) -> bytes:
        return bytes(data[: chance.randrange(start, len(data) - 2)]) + (b"\xff\xd9" if ended else b"")

    return damage


KINDS: dict[str, Damage] = {
    "cut off": cut(ended=False),
    "cut off, with an end marker": cut(ended=True),
    "one bit flipped": flip(1),
    "8 neighbouring bits flipped": flip(8),
    "512 bytes of zeros": fill(512, noise=False),
    "4,096 bytes of zeros": fill(4096, noise=False),
    "512 bytes of noise": fill(512, noise=True),
    "4,096 bytes of noise": fill(4096, noise=True),
}


def main(folder: str) -> None:
    """Print a line for each kind of damage."""
    frames = [file.read_bytes() for file in sorted(Path(folder).rglob("*.jpg"))]
    chance = random.Random(0)
    print(f"{len(frames)} frames, each damaged {TIMES} times\n")
    print(f"{'damage':30} {'found':>8}  of the rest: pixels that differ by more than 8 grey levels")
    for name, damage in KINDS.items():
        unseen = [change for data in frames for change in _unseen(data, damage, chance)]
        found = 1 - len(unseen) / (TIMES * len(frames))
        shares = f"median {np.median(unseen):.1%}, 95 % {np.quantile(unseen, 0.95):.1%}" if unseen else "-"
        print(f"{name:30} {found:8.1%}  {shares}")


def _unseen(data: bytes, damage: Damage, chance: random.Random) -> list[float]:
    """Return how much of the picture changed, for each damage that was not found."""
    good, start = decode(data, SIZE), data.index(SCAN) + 14
    if isinstance(good, Rejection):
        return []
    harmed = [decode(damage(bytearray(data), start, chance), SIZE) for _ in range(TIMES)]
    seen = [one for one in harmed if not isinstance(one, Rejection)]
    return [float((np.abs(one.astype(int) - good).max(axis=2) > 8).mean()) for one in seen]


if __name__ == "__main__":
    main(*sys.argv[1:])
