"""Bootstrap replicates of confusion matrices, clustered by group, as mergeable sums.

Frames of one group (a book, a place, a recording) are alike, so replicates draw whole groups. The sums of
any partition of the videos add up to the sums of the whole, to the last bit and on any machine, even if a
group is in several parts. Knows groups and counts. Does not know videos, tables, models or thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import shake_128

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flipbatch.evaluation.counts import as_rows, balanced_accuracy_of_rows, f1_of_rows

REPLICATES = 1000
"""Bootstrap replicates: 25 are beyond each end of a 95 % interval."""

CONFIDENCE = 0.95
"""The coverage that intervals aim at."""

LEAST_GROUPS = 2
"""An interval needs this many groups: the draws of a single one do not vary."""

GROUPS_FOR_SIGNIFICANCE = 6
"""A difference can be significant with this many groups. With 5, equally good models still have one sign in
all groups with a probability of 2 / 2**5 = 6 % (a two-sided sign test)."""

BOOTSTRAP_SEED = 0
"""Part of every group's hash. Another number gives other, equally good replicates."""

_CHUNK = 512
"""Groups weighted at once: 512 x 1000 float64 weights are 4 MB, whatever the number of groups."""

_UNIFORM_STEPS = 2**16
"""Weights are drawn from 16-bit uniform numbers; see `poisson_weights`."""

Interval = tuple[float, float]
"""Low and high end, low <= high."""


def poisson_weights(groups: Sequence[str]) -> NDArray[np.uint8]:
    """How often each group occurs in each bootstrap replicate: Poisson(1), a function of its name alone.

    Parameters
    ----------
    groups
        N names.

    Returns
    -------
    uint8 [N, REPLICATES], values 0 to 8.

    Notes
    -----
    SHAKE-128 of seed and name is a stream of uniform 16-bit numbers, the same on any machine; the inverse CDF
    of Poisson(1) turns them into weights. 16 bits are few enough for a table and move each probability by
    less than 2^-16; weights above 8 (probability 1.1e-6) do not occur.
    """
    stream = b"".join(_uniform_bytes(group) for group in groups)
    uniform = np.frombuffer(stream, dtype="<u2").reshape(len(groups), REPLICATES)
    return _POISSON_OF_UNIFORM[uniform]


def _uniform_bytes(group: str) -> bytes:
    return shake_128(f"{BOOTSTRAP_SEED}:{group}".encode()).digest(2 * REPLICATES)


def _poisson_table() -> NDArray[np.uint8]:
    """Inverse CDF of Poisson(1) at each 16-bit number: uint8 [65536]."""
    cumulative = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])
    ends = np.round(cumulative * _UNIFORM_STEPS).astype(np.int64)
    return np.searchsorted(ends, np.arange(_UNIFORM_STEPS), side="right").astype(np.uint8)


_POISSON_OF_UNIFORM = _poisson_table()


def _no_sums() -> NDArray[np.int64]:
    return np.zeros((REPLICATES, 4), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class BootstrapSums:
    """Confusion matrices of `REPLICATES` bootstrap samples of groups, as sums that add.

    Parameters
    ----------
    sums
        int64 [REPLICATES, 4], columns tp, fp, fn, tn. Its size does not depend on the number of groups.
    some_groups
        At most `GROUPS_FOR_SIGNIFICANCE` of the groups that have counts.

    Notes
    -----
    Drawing whole groups with replacement keeps what their frames have in common (Field & Welsh,
    "Bootstrapping clustered data", J. R. Stat. Soc. B 69, 2007). A group's multiplicity in such a draw is
    nearly Poisson(1) and nearly independent of the other groups', so each replicate may weight every group by
    its own Poisson(1) number (Hanley & MacGibbon, "Creating non-parametric bootstrap samples using Poisson
    frequencies", Comput. Methods Programs Biomed. 83, 2006; Chamandy et al., "Estimating Uncertainty for
    Massive Data Streams", Google, 2012). This needs no list of all groups, so the sums add.

    Replicates of two models over the same frames are aligned: replicate k draws the same groups for both.
    """

    sums: NDArray[np.int64] = field(default_factory=_no_sums)
    some_groups: frozenset[str] = frozenset()

    @classmethod
    def from_groups(cls, groups: Sequence[str], counts: ArrayLike) -> BootstrapSums:
        """Weight each row's counts by its group's weights, and sum them per replicate.

        Parameters
        ----------
        groups
            The group of each of N rows. Rows of one group get the same weights, wherever they are summed.
        counts
            int64 [N, 4], columns tp, fp, fn, tn.

        Raises
        ------
        ValueError
            If ``counts`` isn't [N, 4].
        """
        names, of_groups = _add_up(groups, as_rows(counts, len(groups)))
        sums = _no_sums()
        for start in range(0, len(names), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            # Float64 for BLAS; all values are integers far below 2^53, so the product is exact in any order.
            weights = poisson_weights(names[chunk]).astype(np.float64)
            sums += (weights.T @ of_groups[chunk].astype(np.float64)).astype(np.int64)
        counted = (names[row] for row in np.flatnonzero(of_groups.sum(axis=1)))
        return cls(sums, _few(counted))

    def __add__(self, other: BootstrapSums) -> BootstrapSums:
        return BootstrapSums(self.sums + other.sums, _few(self.some_groups | other.some_groups))

    @property
    def has_interval(self) -> bool:
        """Whether there are enough groups for an interval."""
        return len(self.some_groups) >= LEAST_GROUPS

    @property
    def has_enough_groups(self) -> bool:
        """Whether there are enough groups to call a difference significant."""
        return len(self.some_groups) >= GROUPS_FOR_SIGNIFICANCE

    def f1_interval(self) -> Interval | None:
        """Percentile interval of F1 at `CONFIDENCE`.

        Returns
        -------
        (low, high), both in [0, 1]; None with fewer than 2 groups, or if no replicate has an F1.

        Notes
        -----
        Replicates whose F1 is undefined (they drew no group with positive labels or predictions) are
        left out. With a handful of groups the interval is too narrow, as every bootstrap's is.
        """
        return percentile_interval(f1_of_rows(self.sums)) if self.has_interval else None

    def balanced_accuracy_interval(self) -> Interval | None:
        """Percentile interval of balanced accuracy at `CONFIDENCE`, with the rules of `f1_interval`."""
        return percentile_interval(balanced_accuracy_of_rows(self.sums)) if self.has_interval else None


def percentile_interval(replicates: NDArray[np.float64]) -> Interval | None:
    """Return the middle `CONFIDENCE` of replicates, NaN left out; None where all are NaN."""
    defined = replicates[~np.isnan(replicates)]
    if not defined.size:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def _add_up(groups: Sequence[str], counts: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct groups, and the counts of each: int64 [groups, 4]."""
    index = {group: row for row, group in enumerate(dict.fromkeys(groups))}
    of_groups = np.zeros((len(index), 4), dtype=np.int64)
    np.add.at(of_groups, [index[group] for group in groups], counts)
    return list(index), of_groups


def _few(groups: Iterable[str]) -> frozenset[str]:
    return frozenset(sorted(groups)[:GROUPS_FOR_SIGNIFICANCE])
