"""Measurements become a table for the user and one JSON object for programs.

Knows names, numbers and their medians. Measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass
class Figures:
    """The measurements of one run of the benchmark.

    Attributes
    ----------
    machine : dict
        Date, CPU, cores and versions.
    rates : dict of str to list of float
        Frames/s, one value per repeat.
    seconds, memory_mb, parity, scale : dict
        The same as in the JSON object.
    """

    machine: dict[str, Any]
    rates: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, Any] = field(default_factory=dict)
    memory_mb: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    scale: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, rate: float) -> None:
        """Add the rate of one repeat, in frames/s."""
        self.rates.setdefault(name, []).append(rate)

    def ratios(self, pairs: Iterable[tuple[str, str]]) -> dict[str, float]:
        """Return the ratio of two rates' medians, for each pair of which both were measured."""
        known = {name: median(values) for name, values in self.rates.items()}
        return {f"{a}/{b}": known[a] / known[b] for a, b in pairs if a in known and b in known}

    def to_json(self, pairs: Iterable[tuple[str, str]]) -> str:
        """Return the JSON object that is the benchmark's last line."""
        rates = {
            name: {"median": median(values), "min": min(values), "max": max(values)}
            for name, values in self.rates.items()
        }
        whole = {"machine": self.machine, "rates": rates, "ratios": self.ratios(pairs)}
        whole |= {"seconds": self.seconds, "memory_mb": self.memory_mb, "parity": self.parity}
        return json.dumps(_rounded(whole | ({"scale": self.scale} if self.scale else {})))

    def table(self, pairs: Iterable[tuple[str, str]]) -> str:
        """Return a table for the user, at most 80 columns wide."""
        return "\n".join(self._lines(pairs))

    def _lines(self, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
        yield ", ".join(f"{name} {value}" for name, value in self.machine.items())
        yield f"\n{'frames/s':42}{'median':>12}{'min':>12}{'max':>12}"
        for name, values in self.rates.items():
            yield f"{name:42}{median(values):12,.1f}{min(values):12,.1f}{max(values):12,.1f}"
        yield f"\n{'ratio':66}{'x':>12}"
        for name, ratio in self.ratios(pairs).items():
            yield f"{name:66}{ratio:12,.3f}"
        for title in ("seconds", "memory_mb", "parity", "scale"):
            yield from _section(title, getattr(self, title))


def _section(title: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield f"\n{title}"
    for name, value in values.items():
        yield f"  {name:64}{_text(value):>12}"


def _text(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _rounded(value: Any) -> Any:
    """Return a JSON value with four significant digits. More digits would be noise."""
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
