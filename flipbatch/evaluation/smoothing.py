"""Probabilities of single frames become probabilities that know the frames around them.

A page turns or rests: a hidden Markov model of two states in continuous time. A gap between two frames counts
as long as it is. Both directions are computed (forward and backward; L. Rabiner, A tutorial on hidden Markov
models, 1989, section III.A). A chain of two states is the same in both directions of time, so both are one
function.

A frame's own evidence is the odds of its probability, divided by the odds of the model's threshold. The
probabilities are calibrated on validation, where a page turns in about half of the frames; in a film it turns
less often. By Bayes' rule the odds of a probability are those of the label before the frame is seen, times
how much better the frame fits a turn than a rest. Only the second factor carries over to a film, where
`TurnRates` replaces the first. The threshold is where a model's decision lies: at it, a frame says nothing.

Knows numbers. Does not know tables or events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

States = NDArray[np.float64]
"""(N, 2): of each frame, a number for a page that rests and one for a page that turns."""

_LEAST_EVIDENCE = 3e-3
"""One frame is never certain: a single wrong one must not split a turn, whatever its probability says."""

_ALMOST_0 = 1e-9
"""Nearer to 0 or 1, a probability or a threshold has no odds to compute with."""


@dataclass(frozen=True)
class TurnRates:
    """How long pages turn and rest, in units of time.

    Attributes
    ----------
    turn, rest : float
        Mean length of a turn, and of the time between two turns; above 0.
    """

    turn: float
    rest: float

    @property
    def share(self) -> float:
        """The share of time in which a page turns, 0 to 1."""
        return self.turn / (self.turn + self.rest)

    def stays(self, gaps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of what is known of a frame is still known after each of some gaps.

        Parameters
        ----------
        gaps
            (N,), 0 or more.

        Returns
        -------
        ndarray
            (N,), 1 after no time, falling to 0: then a page turns with a probability of `share`.
        """
        return np.exp(-gaps * (1 / self.turn + 1 / self.rest))  # the closed form of two states


def smoothed(
    probabilities: NDArray[np.float64],
    times: NDArray[np.float64],
    starts: NDArray[np.bool_],
    rates: TurnRates,
    threshold: float,
) -> NDArray[np.float64]:
    """Return the probability that a page turns in each frame, given all frames of its film.

    Parameters
    ----------
    probabilities
        (N,), of single frames, calibrated, 0 to 1; NaN where a frame has none.
    times
        (N,), in the unit of `rates`; a time before that of the frame before counts as the same time.
    starts
        (N,), whether a film starts with this frame.
    rates
    threshold
        0 to 1: a frame of this probability says nothing.

    Returns
    -------
    ndarray
        (N,), 0 to 1; also for frames without a probability of their own. It does not depend on other films.
    """
    stays = rates.stays(np.diff(times, prepend=times[:1]).clip(min=0))
    stays[starts] = 0.0  # whatever the last frame of the film before says
    evidence = _evidence(probabilities, threshold)
    earlier = _known_before(stays, evidence, rates.share)
    later = _known_before(np.append(stays, 0.0)[:0:-1], evidence[::-1], rates.share)[::-1]
    joint = earlier * evidence * later / np.array([1 - rates.share, rates.share])
    return joint[:, 1] / joint.sum(axis=1)


def _evidence(probabilities: NDArray[np.float64], threshold: float) -> States:
    """Return how well each frame fits each state, up to a factor; the better one has 1."""
    known = np.where(np.isnan(probabilities), threshold, probabilities)
    known, neutral = (np.clip(one, _ALMOST_0, 1 - _ALMOST_0) for one in (known, threshold))
    found = np.stack([(1 - known) * neutral, known * (1 - neutral)], axis=1)
    return np.maximum(found / found.max(axis=1, keepdims=True), _LEAST_EVIDENCE)


def _known_before(stays: NDArray[np.float64], evidence: States, share: float) -> States:
    """Return each frame's probabilities of both states, given the frames before it."""
    rest, turn = 1 - share, share
    rests, turns = list[float](), list[float]()
    forgotten = 1 - stays
    columns = (stays, forgotten * rest, forgotten * turn, evidence[:, 0], evidence[:, 1])
    # A loop over numbers takes half a microsecond a frame, and no film changes the last bits of another one.
    for stay, again_rest, again_turn, fits_rest, fits_turn in zip(
        *map(np.ndarray.tolist, columns), strict=True
    ):
        rest, turn = stay * rest + again_rest, stay * turn + again_turn
        rests.append(rest)
        turns.append(turn)
        rest, turn = rest * fits_rest, turn * fits_turn
        total = rest + turn
        rest, turn = rest / total, turn / total
    return np.maximum(np.array([rests, turns], dtype=np.float64).T, np.finfo(np.float64).tiny)
