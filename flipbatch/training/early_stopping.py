"""Early stopping: training stops when a value no longer improves, and the best state is kept.

Given the same values, every rank stops at the same epoch. Knows values and epochs. Does not know torch or
Ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

State = TypeVar("State")
Mode = Literal["min", "max"]


@dataclass
class EarlyStopping(Generic[State]):
    """Counts epochs without improvement, and keeps the state of the best one.

    Parameters
    ----------
    patience : int
        Epochs in a row without improvement after which training stops; at least 1.
    min_delta : float
        A value must be better than the best by more than this to count; at least 0.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Attributes
    ----------
    best_value : float or None
        None before the first value.
    best_epoch : int or None
    best_state : State or None
        The result of `keep` at the best epoch.
    epochs_without_improvement : int

    Raises
    ------
    ValueError
        If patience is below 1, min_delta is negative or mode is neither of the two.
    """

    patience: int
    min_delta: float = 0.0
    mode: Mode = "min"
    best_value: float | None = field(default=None, init=False)
    best_epoch: int | None = field(default=None, init=False)
    best_state: State | None = field(default=None, init=False)
    epochs_without_improvement: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience is {self.patience}: at least 1 epoch must be allowed.")
        if not self.min_delta >= 0:
            raise ValueError(f"min_delta is {self.min_delta}: it must be 0 or more.")
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode is {self.mode!r}: it is min or max.")

    @property
    def should_stop(self) -> bool:
        """Whether the last `patience` epochs brought no improvement."""
        return self.epochs_without_improvement >= self.patience

    def update(self, epoch: int, value: float, keep: Callable[[], State]) -> bool:
        """Record the value of one epoch.

        Parameters
        ----------
        epoch : int
        value : float
            NaN is never an improvement.
        keep : callable
            Called only if the value improves; its result must not change afterwards.

        Returns
        -------
        bool
            Whether the value improved.
        """
        improved = self._improves(value)
        if improved:
            self.best_value, self.best_epoch, self.best_state = value, epoch, keep()
            self.epochs_without_improvement = 0
        else:
            self.epochs_without_improvement += 1
        return improved

    def _improves(self, value: float) -> bool:
        if self.best_value is None:
            return not math.isnan(value)
        gain = self.best_value - value if self.mode == "min" else value - self.best_value
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        for name in _STATE:
            setattr(self, name, state[name])


_STATE = ("best_value", "best_epoch", "best_state", "epochs_without_improvement")
