"""flipbatch predicts from a single video frame whether a page is being flipped.

>>> import flipbatch
>>> model = flipbatch.load_model("trained/models/cnn_model")
>>> model.predict("frames/flip/0002_000000012.jpg")["prediction"].tolist()
['flip']
>>> metrics = flipbatch.score("frames", models=["trained/models/cnn_model"], out="scored")
>>> metrics["frames"]["total"] == len(flipbatch.read_predictions("scored"))
True
>>> flipbatch.read_videos("scored").columns[:3].tolist()
['model', 'video_id', 'label']

The names below are the whole public API. Each imports what it needs when it is called, so that
``import flipbatch`` takes milliseconds. Errors are in `flipbatch.errors`. The packages are ordered by data
flow, as README.md shows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from flipbatch.runtime.versions import VERSION

if TYPE_CHECKING:
    import pandas as pd

    from flipbatch.models.model import Model

# Ray reads this when it is imported, which any module may do. Under `uv run` Ray would start every worker in
# a copy of the checkout, through uv, without the environment of the driver.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

__version__ = VERSION
__all__ = [
    "__version__",
    "load_model",
    "read_events",
    "read_groups",
    "read_predictions",
    "read_stills",
    "read_videos",
    "score",
    "train",
]

Executor = Literal["local", "ray"]
"""``local`` runs in this process and starts nothing. ``ray`` uses every core of a cluster."""


def load_model(uri: str) -> Model:
    """Load a trained model.

    Parameters
    ----------
    uri : str
        A model bundle, ``OUT/models/NAME``: a path, ``s3://BUCKET/PREFIX`` or any fsspec URI. Or
        ``pretrained:NAME``, one that comes with flipbatch.

    Returns
    -------
    Model
        ``model.predict(...)`` gives probabilities as a data frame, ``model.module`` the torch module.

    Raises
    ------
    flipbatch.errors.BundleError
        If the bundle is missing, damaged or made by a newer version. For a pretrained name that there is
        not, the message says which there are.
    """
    from flipbatch.models.model import Model

    return Model.load(uri)


def train(
    frames: str | None = None,
    *,
    manifest: str | None = None,
    out: str,
    models: Sequence[str] = ("cnn_model", "mobilenet_v2"),
    weights: str = "imagenet",
    epochs: int = 40,
    patience: int = 8,
    min_delta: float = 0.0,
    seed: int = 0,
    rendered_share: float = 0.0,
    folds: int | None = None,
    leave_one_out: bool = False,
    resume: bool = False,
    report_thumbnails: int = 24,
    tracking: Literal["mlflow"] | None = None,
    tracking_uri: str | None = None,
    executor: Executor = "local",
) -> dict[str, Any]:
    """Train models on labelled frames and compare them.

    Parameters
    ----------
    frames, manifest, out : str
        As in ``flipbatch train --help``: exactly one of the first two, and a new directory. Paths or URIs.
    models : sequence of str
        Architectures to train.
    weights : str
        Initial weights of ``mobilenet_v2``: ``imagenet``, ``none``, or the URI of a weights file. With
        ``pretrained`` each model is fine-tuned from the bundle of its name that comes with flipbatch, with
        ``pretrained:NAME`` the model of this one bundle.
    epochs, patience : int
        Maximum number of epochs, and of epochs in a row without a lower validation loss; at least 1.
    min_delta, seed : float, int
        Minimum decrease of the validation loss that counts as lower; random seed; at least 0.
    rendered_share : float
        Share of rendered frames among the training frames, 0 to 0.95: they show what a few books do not.
    folds, leave_one_out : int, bool
        Cross-validate with this number of folds of groups, at least 2; or hold out one group at a time.
    resume : bool
        Continue the run in `out`.
    report_thumbnails : int
        Number of test frames per model that ``report.html`` shows, and TensorBoard at most 12; 0 shows none.
    tracking : {"mlflow"}, optional
        Also record the run on an MLflow server, and register the models there.
    tracking_uri : str, optional
        Of the MLflow server; by default that of ``MLFLOW_TRACKING_URI``.
    executor : {"local", "ray"}
        Where to train.

    Returns
    -------
    dict
        The content of ``comparison.json``; of ``folds.json`` if models are cross-validated.

    Raises
    ------
    flipbatch.errors.FlipbatchError
        Its message says what to do.
    """
    from flipbatch.report.training_page import write_training_report
    from flipbatch.tracking.observers import observers
    from flipbatch.training.job import train as run
    from flipbatch.training.options import FoldPlan, Settings, TrainOptions

    settings = Settings(epochs, patience, min_delta, seed, rendered_share)
    plan = FoldPlan(folds) if folds or leave_one_out else None
    names = tuple(models)
    options = TrainOptions(out, frames, manifest, names, weights, settings, plan, executor, resume=resume)
    write_report = partial(write_training_report, number_of_thumbnails=report_thumbnails)
    told = observers(tracking, tracking_uri, report_thumbnails)
    return run(options, write_report=write_report, observers=told)


def score(
    frames: str | None = None,
    *,
    manifest: str | None = None,
    models: Sequence[str],
    out: str,
    limit: int | None = None,
    threshold: float | None = None,
    adapt: bool = False,
    retry_errors: bool = False,
    every: int | None = None,
    fps: float | None = None,
    append: bool = False,
    report_thumbnails: int = 24,
    executor: Executor = "local",
) -> dict[str, Any]:
    """Predict every frame of a directory or manifest with one or more models, into Parquet.

    The same call again continues an interrupted run.

    Parameters
    ----------
    frames, manifest : str, optional
        Exactly one: a directory of frames or films, a glob pattern or a film; or a table of frames. Paths or
        URIs.
    models : sequence of str
        Model bundles, each ``URI`` or ``NAME=URI``; a URI may be ``pretrained:NAME``.
    out : str
        Directory of the run, new or to continue.
    limit : int, optional
        Score only this number of frames of the manifest, the first ones; at least 1.
    threshold : float, optional
        Lowest probability that is predicted as ``flip``, 0 to 1, instead of each bundle's own threshold.
    adapt : bool
        First estimate, without labels, by how much the logits of each place (a directory, or a group of the
        manifest) are shifted, and undo it. A probability then depends on the other frames of its place.
    retry_errors : bool
        Read again only the frames that were missing or unreadable.
    every : int, optional
        Of films, read every Nth frame only; at least 1.
    fps : float, optional
        Of films, read at most so many frames per second; above 0. Not together with `every`.
    append : bool
        List the frames of a finished run anew, and score only those that it does not have.
    report_thumbnails : int
        Number of frames per model that ``report.html`` shows; 0 shows none.
    executor : {"local", "ray"}
        Where to score. Both give the same tables.

    Returns
    -------
    dict
        The content of ``metrics.json``.

    Raises
    ------
    flipbatch.errors.FlipbatchError
        Its message says what to do.
    """
    from flipbatch.frames.film_rows import Thinning
    from flipbatch.report.page import write_report
    from flipbatch.scoring.job import ScoreOptions
    from flipbatch.scoring.job import score as run

    options = ScoreOptions(
        frames=frames,
        manifest=manifest,
        models=tuple(models),
        out=out,
        limit=limit,
        threshold=threshold,
        adapt=adapt,
        retry_errors=retry_errors,
        executor=executor,
        thinning=Thinning(every, fps),
        append=append,
    )
    return run(options, partial(write_report, number_of_thumbnails=report_thumbnails))


def read_predictions(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the predictions of a finished scoring run.

    Parameters
    ----------
    out : str
        Directory of the run.
    model : str, optional
        Name of one model. By default all models are read.

    Returns
    -------
    pandas.DataFrame
        One row per frame and model: ``model`` and the columns of ``predictions/``, sorted by model,
        ``video_id`` and ``frame_number``.

    Raises
    ------
    flipbatch.errors.OutputError
        If there is no finished run in `out`, or no such model in it.
    """
    from flipbatch.scoring.read_results import read_predictions as read

    return read(out, model)


def read_videos(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the videos of a finished scoring run.

    Parameters
    ----------
    out : str
        Directory of the run.
    model : str, optional
        Name of one model. By default all models are read.

    Returns
    -------
    pandas.DataFrame
        One row per model and video: the columns of ``videos/``.

    Raises
    ------
    flipbatch.errors.OutputError
        If there is no finished run in `out`, or no such model in it.
    """
    from flipbatch.scoring.read_results import read_videos as read

    return read(out, model)


def read_events(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the page turns of a finished scoring run.

    Parameters
    ----------
    out : str
        Directory of the run.
    model : str, optional
        Name of one model. By default all models are read.

    Returns
    -------
    pandas.DataFrame
        One row per model, video and page turn: the columns of ``events/``.

    Raises
    ------
    flipbatch.errors.OutputError
        If there is no finished run in `out`, no such model in it, or an older version scored it.
    """
    from flipbatch.scoring.read_results import read_events as read

    return read(out, model)


def read_stills(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the frames to keep of a finished scoring run.

    Parameters
    ----------
    out : str
        Directory of the run.
    model : str, optional
        Name of one model. By default all models are read.

    Returns
    -------
    pandas.DataFrame
        One row per model, video and stretch without a page turn: the columns of ``stills/``. ``uri`` is the
        frame to keep.

    Raises
    ------
    flipbatch.errors.OutputError
        If there is no finished run in `out`, no such model in it, or an older version scored it.
    """
    from flipbatch.scoring.read_results import read_stills as read

    return read(out, model)


def read_groups(out: str, model: str | None = None) -> pd.DataFrame:
    """Measure each group of a finished scoring run: a book, a place or a recording on its own.

    Parameters
    ----------
    out : str
        Directory of the run. Groups are those of the manifest's column ``group``.
    model : str, optional
        Name of one model. By default all models are measured.

    Returns
    -------
    pandas.DataFrame
        One row per model and group with labelled frames: ``model``, ``group``, ``videos``, ``frames``,
        ``flips``, ``f1``, ``f1_interval`` (95 %, over the group's videos; None with fewer than six),
        ``f1_of_all_flip`` (of calling every frame ``flip``), ``balanced_accuracy`` with its interval, and
        ``auc``, the area under the ROC curve. All are 0 to 1, and null where the labels leave them undefined.

    Raises
    ------
    flipbatch.errors.OutputError
        If there is no finished run in `out`, or no such model in it.
    """
    from flipbatch.scoring.read_results import read_groups as read

    return read(out, model)
