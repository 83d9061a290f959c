"""Random numbers whose spread can be reduced.

Knows numbers only.
"""

from typing import Any

import numpy as np


class ScaledRandom:
    """A random generator whose values can be pulled towards the middle of their range.

    Parameters
    ----------
    rng
        Source of the random numbers.
    variety
        1 leaves the values as they are, 0 replaces each with the middle. `choice`, `integers` and `random`
        ignore it.
    """

    def __init__(self, rng: np.random.Generator, variety: float) -> None:
        self._rng, self._variety = rng, variety
        self.choice, self.integers, self.random = rng.choice, rng.integers, rng.random

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:
        """Return `numpy.random.Generator.uniform` values, their distance from the middle times `variety`."""
        middle = (low + high) / 2
        return middle + self._variety * (self._rng.uniform(low, high, size) - middle)

    def normal(self, mean: float, deviation: float, size: int | None = None) -> Any:
        """Return `numpy.random.Generator.normal` values, their deviation times `variety`."""
        return self._rng.normal(mean, self._variety * deviation, size)
