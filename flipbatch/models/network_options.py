"""What may differ between two networks of one architecture: the key ``network`` of a model card.

Knows names, defaults and ranges. Does not know layers, and imports no torch: the engine of CPUs has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

LAST_BLOCK = 18
"""The last block of torchvision's MobileNetV2: ``features.0`` to ``features.18``."""

HALVING_BLOCKS = (0, 2, 4, 7, 14)
"""Blocks of MobileNetV2 that halve height and width, rounded up: table 2 of arXiv:1801.04381."""

POOLINGS = ("mean", "max")
"""How a tap's channels may be pooled over the frame."""

MAP_CLASSES = ("other", "resting", "air", "hand")
"""What a cell of the class maps may show, in their order: that of `synthetic.frame_state.Region`."""

LARGEST_CELLS = 4
"""So many of the largest cells of a class map are averaged."""

MAP_FEATURES = 3 * len(MAP_CLASSES)
"""A class map is pooled by its mean, its maximum and the mean of its largest cells."""

MAP_HALVINGS = 3
"""Blocks of a `cnn_model` that halve before its class maps: patches of 3 pixels then make cells of 24."""

MOST_BLOCKS, MOST_CHANNELS = 64, 2048
"""Bounds of a `cnn_model`: a damaged model card must not claim all memory."""


@dataclass(frozen=True)
class NetworkOptions:
    """Options that a model card stores, and from which a network is built again."""

    def to_json(self) -> dict[str, Any]:
        """Return the options as plain JSON values, all of them."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned.

        Raises
        ------
        ValueError
            If an option is missing, unknown or out of range: another network would be built.
        """
        known = {one.name for one in fields(cls)}
        if not isinstance(value, Mapping) or set(value) != known:
            raise ValueError(f"the options of its network are {list(value)}, not {sorted(known)}")
        return cls(**{name: tuple(one) if isinstance(one, list) else one for name, one in value.items()})


@dataclass(frozen=True)
class CnnOptions(NetworkOptions):
    """The size of a `cnn_model`.

    Attributes
    ----------
    channels : tuple of int
        Of each block; block 0 makes patches, and each later one halves height and width.
    plain : tuple of int
        Blocks, ascending and without 0, that keep height and width.
    maps : bool
        Whether the head also takes class maps, from `map_block`.
    """

    channels: tuple[int, ...] = (8, 16, 32, 64, 64)
    plain: tuple[int, ...] = ()
    maps: bool = False

    def __post_init__(self) -> None:
        _require_integers("channels", self.channels, 1, MOST_CHANNELS)
        _require(
            0 < len(self.channels) <= MOST_BLOCKS, f"{len(self.channels)} blocks are not 1 to {MOST_BLOCKS}"
        )
        _require_integers("plain", self.plain, 1, len(self.channels) - 1)
        _require_ascending("plain", self.plain)
        _require(type(self.maps) is bool, "maps is neither true nor false")
        _require(not self.maps or self.map_block > 0, f"maps need {MAP_HALVINGS} blocks that halve")

    def stride(self, block: int) -> int:
        """Return by what a block after the first divides height and width."""
        return 1 if block in self.plain else 2

    @property
    def map_block(self) -> int:
        """The last block behind `MAP_HALVINGS` halvings, whose outputs give the class maps; 0 if none is."""
        halvings, last = 0, 0
        for block in range(1, len(self.channels)):
            halvings += self.stride(block) == 2
            last = block if halvings == MAP_HALVINGS else last
        return last


@dataclass(frozen=True)
class MobileNetOptions(NetworkOptions):
    """What a `mobilenet_v2` looks at.

    Attributes
    ----------
    taps : tuple of int
        Blocks of torchvision's ``features``, 0 to 18, ascending, whose outputs the head takes. The network
        ends with the last.
    poolings : tuple of str
        How each tap's channels are pooled over the frame: ``mean``, ``max`` or both.
    standardise_pixels : bool
        Whether each colour channel of a frame is shifted and scaled by its own mean and deviation, instead
        of by those of ImageNet.
    maps : bool
        Whether the head also takes class maps, from all taps.
    """

    taps: tuple[int, ...] = (6, 10, 13)
    poolings: tuple[str, ...] = POOLINGS
    standardise_pixels: bool = False
    maps: bool = False

    def __post_init__(self) -> None:
        _require_integers("taps", self.taps, 0, LAST_BLOCK)
        _require_ascending("taps", self.taps)
        _require(len(self.taps) > 0, "taps are missing")
        known = tuple(one for one in POOLINGS if one in self.poolings)
        _require(self.poolings == known != (), f"poolings {self.poolings!r} are not some of {POOLINGS}")
        _require(type(self.standardise_pixels) is bool, "standardise_pixels is neither true nor false")
        _require(type(self.maps) is bool, "maps is neither true nor false")

    def shrinkage(self, tap: int) -> int:
        """Return how many times as high and wide as the last tap a tap is, where nothing is rounded."""
        return 2 ** sum(tap < block <= self.taps[-1] for block in HALVING_BLOCKS)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_integers(name: str, values: Sequence[object], least: int, most: int) -> None:
    for one in values:
        _require(type(one) is int and least <= one <= most, f"{name}: {one!r} is not from {least} to {most}")


def _require_ascending(name: str, values: Sequence[int]) -> None:
    _require(list(values) == sorted(set(values)), f"{name} {list(values)} do not ascend")
