"""Which observers a training command has.

Knows their names. Does not know what they write; MLflow is imported only where it is asked for.
"""

from __future__ import annotations

from typing import Literal

from flipbatch.errors import InputError
from flipbatch.training.observer import Observer

Tracking = Literal["mlflow"]


def observers(tracking: Tracking | None, tracking_uri: str | None, pictures: int) -> list[Observer]:
    """Return TensorBoard's observer, and MLflow's if it is asked for.

    Parameters
    ----------
    tracking : {"mlflow"} or None
    tracking_uri : str or None
        Of the MLflow server; by default that of ``MLFLOW_TRACKING_URI``.
    pictures : int
        Most test frames of a model that TensorBoard shows.

    Raises
    ------
    InputError
        If MLflow is asked for and is not installed or has no address, or if there is an address without it.
    """
    from flipbatch.tracking.tensorboard import TensorBoard

    if tracking is None:
        if tracking_uri is not None:
            raise InputError("--tracking-uri needs --tracking mlflow.")
        return [TensorBoard(pictures)]
    from flipbatch.tracking.mlflow_runs import MLflow

    return [TensorBoard(pictures), MLflow(tracking_uri)]
