"""A training run on an MLflow tracking server: a run of the command, and below it one of each model.

Knows MLflow, and which parameters, metrics and files it gets. Does not know how a model is trained.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from flipbatch import storage
from flipbatch.errors import InputError, JobError, redacted
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.runtime.versions import VERSION
from flipbatch.storage.reasons import first_line
from flipbatch.storage.system_names import is_stray
from flipbatch.tracking.mlflow_model import IMAGE, URI
from flipbatch.training.observer import History, ModelFit, epoch_metrics

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.models import ModelSignature

RUNS_FILE = "mlflow.json"
"""In the run's directory: the id of each MLflow run, by the key of its model; of the command, by ``""``."""

DEFAULT_EXPERIMENT = "flipbatch"
MODEL_PREFIX = "flipbatch-"
"""Before a model's name in the registry."""

_URI_VARIABLE, _EXPERIMENT_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Of MLflow, unless they are set. Training waits for the server: by default it would wait for minutes. By
default a model contains the files of the uv project in the working directory, and the terminal four lines."""

_COMMAND = ""
_OF_EPOCHS = ("train_loss", "learning_rate")
"""An epoch has at least one of them: a loss may be undefined, and an older version wrote no rate."""

_FILES = ("run.json", "splits.parquet", "comparison.json", "folds.json", "report.html")
_FRAMES_OF_TEST = ("test", "test_unseen_groups")
_LONGEST_PARAMETER = 6000
"""Characters: a limit of MLflow."""

_MODEL = "model"
"""Where the artifacts of a model's run have the model; the bundle is in its ``data/NAME``."""

_LOADER = "flipbatch.tracking.mlflow_model"


class MLflow:
    """An `Observer` that writes to a tracking server.

    The run of the command has the parameters of the command, its files and the report. The run of each model
    has the parameters of the training, metrics per epoch (steps count from 1), the metrics of the test split
    and the bundle. Without folds, each model is registered as ``flipbatch-NAME``.

    Parameters
    ----------
    tracking_uri : str, optional
        By default that of ``MLFLOW_TRACKING_URI``.

    Raises
    ------
    InputError
        If there is none, or if MLflow is not installed.
    """

    def __init__(self, tracking_uri: str | None = None) -> None:
        uri = tracking_uri or os.environ.get(_URI_VARIABLE)
        if not uri:
            raise InputError(
                f"--tracking mlflow needs the address of a tracking server: give --tracking-uri URI or set "
                f"{_URI_VARIABLE}."
            )
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it logs each try
        self._uri = uri
        with self._server_errors():
            self._client = _client(uri)
        self._recorded: dict[str, int] = {}

    def run_started(self, directory: RunDirectory, parameters: Mapping[str, Any]) -> None:
        """Find the run of this directory, or create one, and write the parameters."""
        self._directory = directory
        with self._server_errors():
            self._experiment = self._experiment_id()
            self._runs = self._known_runs()
            self._run(_COMMAND, storage.normalise(directory.uri).rpartition("/")[2])
            log.info("MLflow run: %s", self._page())
            self._write_parameters(_COMMAND, {**parameters, "out": storage.redacted_uri(directory.uri)})

    def epoch_finished(self, model: ModelFit, history: History) -> None:
        """Write the metrics of epochs that the model's run does not have."""
        self._run(model.key, model.key)
        for entry in history[self._epochs_of(model) :]:
            self._write_metrics(model.key, epoch_metrics(entry), entry["epoch"] + 1)
            self._recorded[model.key] = entry["epoch"] + 1

    def model_finished(self, model: ModelFit) -> None:
        """Write all epochs, metrics of the test split, parameters and the bundle; register the model."""
        card = model.model_card()
        self.epoch_finished(model, card["history"])
        run = self._runs[model.key]
        if self._client.get_run(run).info.status == "FINISHED":
            return
        self._write_parameters(model.key, {"model": model.name, **card["training"]})
        self._write_metrics(model.key, _test_metrics(card), card["training"]["best_epoch"] + 1)
        with tempfile.TemporaryDirectory() as folder:
            bundle = _copied(model.bundle, Path(folder) / model.name)
            _save_model(bundle, f"{folder}/{_MODEL}")
            self._client.log_artifacts(run, f"{folder}/{_MODEL}", _MODEL)
        if model.fold is None:
            self._register(model)
        self._client.set_terminated(run)

    def run_finished(self, result: Mapping[str, Any]) -> None:
        """Write the files of the run, and the best model."""
        run = self._runs[_COMMAND]
        if self._client.get_run(run).info.status == "FINISHED":
            return
        if "best" in result:
            self._client.set_tag(run, "best_model", result["best"])
        with tempfile.TemporaryDirectory() as folder:
            self._client.log_artifacts(run, str(_copied(self._directory.uri, Path(folder) / "run", _FILES)))
        self._client.set_terminated(run)

    def run_failed(self) -> None:
        """Mark the runs that have not finished as failed."""
        for run in self._runs.values():
            if self._client.get_run(run).info.status == "RUNNING":
                self._client.set_terminated(run, "FAILED")

    # ------------------------------------------------------------------------------ runs

    def _page(self) -> str:
        """Return where the run of the command is shown."""
        run = self._runs[_COMMAND]
        if not self._uri.startswith("http"):
            return run
        return f"{redacted(self._uri).rstrip('/')}/#/experiments/{self._experiment}/runs/{run}"

    def _experiment_id(self) -> str:
        name = os.environ.get(_EXPERIMENT_VARIABLE) or DEFAULT_EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name)

    def _known_runs(self) -> dict[str, str]:
        """Return the ids of runs that an earlier command created, if the server has them."""
        if not storage.exists(self._directory.path(RUNS_FILE)):
            return {}
        known = self._directory.read_json(RUNS_FILE)
        return known if self._has_run(known[_COMMAND]) else {}

    def _has_run(self, run: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(run).info.lifecycle_stage == "active"
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _run(self, key: str, name: str) -> None:
        """Create a run, or let one that failed go on."""
        from mlflow.tracking.context.registry import resolve_tags

        if key in self._runs:
            if self._client.get_run(self._runs[key]).info.status == "FAILED":
                self._client.update_run(self._runs[key], status="RUNNING")
            return
        tags = {**resolve_tags(), "flipbatch.version": VERSION}
        if key != _COMMAND:
            tags["mlflow.parentRunId"] = self._runs[_COMMAND]
        self._runs[key] = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        self._directory.write_json(RUNS_FILE, self._runs)

    def _epochs_of(self, model: ModelFit) -> int:
        """Return how many epochs the model's run has."""
        if model.key not in self._recorded:
            known = [self._client.get_metric_history(self._runs[model.key], name) for name in _OF_EPOCHS]
            self._recorded[model.key] = max((one.step for metric in known for one in metric), default=0)
        return self._recorded[model.key]

    def _write_parameters(self, key: str, parameters: Mapping[str, Any]) -> None:
        """Write the parameters that the run does not have. The server refuses to change one."""
        from mlflow.entities import Param

        known = self._client.get_run(self._runs[key]).data.params
        new = {name: value for name, value in parameters.items() if name not in known and value is not None}
        self._client.log_batch(self._runs[key], params=[Param(*pair) for pair in _texts(new)])

    def _write_metrics(self, key: str, metrics: Mapping[str, float], step: int) -> None:
        self._client.log_batch(self._runs[key], metrics=_metrics(metrics, step))

    # ------------------------------------------------------------------------------ registry

    def _register(self, model: ModelFit) -> None:
        """Register the model of a run as the next version of its name, unless it is registered."""
        from mlflow.exceptions import MlflowException

        run, name = self._runs[model.key], MODEL_PREFIX + model.name
        if self._client.search_model_versions(f"run_id = '{run}'"):
            return
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self._client.get_run(run).info.artifact_uri}/{_MODEL}"
        self._client.create_model_version(name, source, run, await_creation_for=0)

    # ------------------------------------------------------------------------------ errors

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise JobError(
                f"The MLflow server at {self._uri} can't be used: {first_line(_cause(error))}. Check "
                "--tracking-uri, or leave --tracking out."
            ) from error


def _cause(error: BaseException) -> BaseException:
    """Return the error of the operating system below an error, such as a refused connection, or the error."""
    below = error
    while (inner := below.__cause__ or below.__context__) is not None:
        below = inner
    return below if isinstance(below, OSError) else error


def _client(uri: str) -> MlflowClient:
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise InputError("--tracking mlflow needs MLflow: pip install mlflow.") from error
    return MlflowClient(uri)


def _texts(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((name, str(value)[:_LONGEST_PARAMETER]) for name, value in parameters.items())


def _metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(name, value, now, step) for name, value in values.items()]


def _test_metrics(card: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of test frames that are defined: ``test_f1`` and so on."""
    measured = {split: (card["metrics"].get(split) or {}).get("frames", {}) for split in _FRAMES_OF_TEST}
    names = ("f1", "balanced_accuracy", "precision", "recall")
    return {
        f"{split}_{name}": frames[name]
        for split, frames in measured.items()
        for name in names
        if frames.get(name) is not None
    }


def _copied(uri: str, folder: Path, names: tuple[str, ...] | None = None) -> Path:
    """Copy the files of a directory at any URI, or those of `names` that are there, to a local folder."""
    folder.mkdir()
    for name in storage.names_in(uri):
        if name in names if names is not None else not is_stray(name):
            (folder / name).write_bytes(storage.read(storage.join(uri, name)))
    return folder


def _save_model(bundle: Path, folder: str) -> None:
    """Write a bundle as an MLflow model, without the uv project that MLflow would look for around it."""
    import mlflow.pyfunc

    with _quiet():
        mlflow.pyfunc.save_model(
            folder,
            loader_module=_LOADER,
            data_path=str(bundle),
            signature=_signature(),
            input_example=pd.DataFrame({URI: ["frames/0002_000000012.jpg"]}),
            pip_requirements=[f"flipbatch=={VERSION}"],
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what MLflow logs of a model: that it checks the example, and that uv's environment has no pip."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec("string", URI, required=False), ColSpec("binary", IMAGE, required=False)])
    texts = [ColSpec("string", name, required=False) for name in ("uri", "status", "error", "prediction")]
    return ModelSignature(inputs, Schema([*texts, ColSpec("float", "flip_probability")]))
