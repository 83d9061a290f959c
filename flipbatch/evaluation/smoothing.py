"""Probabilities of single frames become probabilities that know the frames around them.

A page turns or rests: a hidden Markov model of two states in continuous time. Frame numbers are the time,
so a gap counts as long as it is. A frame's own evidence is the odds of its probability, less the odds
that the model gives without any frame. Both directions are computed (forward and backward; L. Rabiner, A
tutorial on hidden Markov models, 1989, section III.A), for all films at once.

Works on columns, never frame by frame. Knows numbers. Does not know tables, thresholds or events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrices = NDArray[np.float64]
"""(N, 2, 2): from the state in a row to the state in a column; state 0 rests, state 1 turns."""

_LEAST_PROBABILITY = 1e-4
"""One frame is never certain: a single wrong one must not split a turn, whatever its probability says."""


@dataclass(frozen=True)
class TurnRates:
    """How long pages turn and rest, in frames.

    Attributes
    ----------
    turn, rest : float
        Mean number of frames of a turn, and between two turns; above 0.
    """

    turn: float
    rest: float

    @property
    def share(self) -> float:
        """The share of frames in which a page turns, 0 to 1."""
        return self.turn / (self.turn + self.rest)

    def transitions(self, gaps: NDArray[np.int64]) -> Matrices:
        """Return the probabilities of each state after each of some gaps, (N, 2, 2).

        Parameters
        ----------
        gaps
            (N,), frames between a frame and the one before it, 0 or more.
        """
        stays = np.exp(-gaps * (1 / self.turn + 1 / self.rest))  # the closed form of two states
        anyway = np.array([1 - self.share, self.share])
        return anyway * (1 - stays)[:, None, None] + np.eye(2) * stays[:, None, None]


def smoothed(
    probabilities: NDArray[np.float64],
    numbers: NDArray[np.int64],
    starts: NDArray[np.bool_],
    rates: TurnRates,
) -> NDArray[np.float64]:
    """Return the probability that a page turns in each frame, given all frames of its film.

    Parameters
    ----------
    probabilities
        (N,), of single frames, calibrated, 0 to 1; NaN where a frame has none.
    numbers
        (N,), frame numbers, not falling within a film.
    starts
        (N,), whether a film starts with this frame.
    rates

    Returns
    -------
    ndarray
        (N,), 0 to 1; also for frames without a probability of their own.
    """
    if not len(probabilities):
        return np.empty(0)
    anyway = np.array([1 - rates.share, rates.share])
    moves = rates.transitions(np.diff(numbers, prepend=numbers[:1]).clip(min=0))
    moves[starts] = anyway  # whatever the last frame of the film before says
    evidence = _evidence(probabilities, rates)
    forward = _chain(moves * evidence[:, None, :])
    # Backward: from each frame, what the later ones say of it; the last of a film hears nothing.
    later = np.roll(moves * evidence[:, None, :], -1, axis=0)
    later[np.roll(starts, -1)] = 1.0
    backward = _chain(later.transpose(0, 2, 1)[::-1])[::-1]
    joint = forward * backward
    return joint[:, 1] / joint.sum(axis=1)


def _evidence(probabilities: NDArray[np.float64], rates: TurnRates) -> NDArray[np.float64]:
    """Return how likely each frame is in each state, up to a factor, (N, 2)."""
    known = np.where(np.isnan(probabilities), rates.share, probabilities)
    known = known.clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    found = np.stack([(1 - known) / (1 - rates.share), known / rates.share], axis=1)
    return found / found.max(axis=1, keepdims=True)


def _chain(steps: Matrices) -> NDArray[np.float64]:
    """Return the normalised row vectors (1, 1) S1, (1, 1) S1 S2, …, (N, 2).

    The matrices are divided into about as many blocks as a block has matrices. All blocks are multiplied at
    once, then each takes over the vector of the block before it.
    """
    count = len(steps)
    length = int(np.ceil(np.sqrt(count)))
    blocks = -(-count // length)
    padded = np.concatenate([steps, np.broadcast_to(np.eye(2), (blocks * length - count, 2, 2))])
    products = padded.reshape(blocks, length, 2, 2)
    for place in range(1, length):
        products[:, place] = _normalised(products[:, place - 1] @ products[:, place])
    vector, found = np.ones(2), np.empty((blocks, length, 2))
    for block in range(blocks):
        found[block] = vector @ products[block]
        vector = found[block, -1] / found[block, -1].sum()
    chain = found.reshape(-1, 2)[:count]
    return chain / chain.sum(axis=1, keepdims=True)


def _normalised(matrices: Matrices) -> Matrices:
    return matrices / matrices.sum(axis=(1, 2), keepdims=True)
