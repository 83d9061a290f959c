"""Training runs on a real MLflow server: parameters, metrics, files, registered models, resumed runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flipbatch import load_model
from flipbatch.errors import InputError, JobError
from flipbatch.report.training_page import write_training_report
from flipbatch.tracking.mlflow_runs import MLflow
from flipbatch.tracking.observers import observers
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.job import train
from flipbatch.training.observer import epoch_metrics
from tests.training.cuts import cut_train
from tests.training.runs import options, record

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")

TWO_EPOCHS = Settings(epochs=2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server with a data base and artifacts of its own; returns its address."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/runs.db",
        "--artifacts-destination",
        f"{folder}/files",
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(folder / "log", "wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    wait_for(f"{address}/health")
    yield address
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(page: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(page, timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(page)


@pytest.fixture(scope="module")
def finished(server: str, labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tracked") / "out"
    wanted = options(labelled_frames, out, settings=TWO_EPOCHS)
    train(wanted, write_report=write_training_report, observers=[MLflow(server)])
    return out


@pytest.fixture
def client(server: str) -> Any:
    return mlflow.MlflowClient(server)


def runs_of(client: Any, out: Path) -> dict[str, Any]:
    """Return the MLflow runs of a directory: that of the command as ``command``, others by model."""
    ids = pd.read_json(out / "mlflow.json", typ="series").to_dict()
    return {key or "command": client.get_run(run) for key, run in ids.items()}


def epochs(client: Any, run: Any, metric: str) -> list[tuple[int, float]]:
    found = client.get_metric_history(run.info.run_id, metric)
    return sorted((one.step, one.value) for one in found)


def test_each_epoch_has_the_metrics_of_the_bundle(client: Any, finished: Path) -> None:
    run = runs_of(client, finished)["cnn_model"]
    history = [epoch_metrics(entry) for entry in record(finished)["history"]]
    assert {"train_loss", "val_loss", "val_balanced_accuracy", "learning_rate"} <= history[0].keys()
    for name in set().union(*history):
        wanted = [(step, epoch[name]) for step, epoch in enumerate(history, 1) if name in epoch]
        assert epochs(client, run, name) == wanted


def test_the_test_split_is_measured(client: Any, finished: Path) -> None:
    measured = record(finished)["metrics"]["test"]["frames"]["balanced_accuracy"]
    assert runs_of(client, finished)["cnn_model"].data.metrics["test_balanced_accuracy"] == measured


def test_a_model_is_below_the_run_of_its_command(client: Any, finished: Path) -> None:
    runs = runs_of(client, finished)
    assert runs["cnn_model"].data.tags["mlflow.parentRunId"] == runs["command"].info.run_id
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["command"].data.tags["best_model"] == "cnn_model"


def test_parameters_are_those_of_command_and_training(client: Any, finished: Path) -> None:
    runs = runs_of(client, finished)
    assert runs["command"].data.params["epochs"] == "2"
    assert runs["command"].data.params["out"] == str(finished)
    assert runs["cnn_model"].data.params["best_epoch"] == str(record(finished)["training"]["best_epoch"])


def test_the_report_and_the_bundle_are_artifacts(client: Any, finished: Path, tmp_path: Path) -> None:
    runs = runs_of(client, finished)
    report = client.download_artifacts(runs["command"].info.run_id, "report.html", str(tmp_path))
    assert Path(report).read_bytes() == (finished / "report.html").read_bytes()
    bundle = client.download_artifacts(runs["cnn_model"].info.run_id, "model/data/cnn_model", str(tmp_path))
    assert load_model(bundle).model_card == load_model(str(finished / "models/cnn_model")).model_card


def registered(server: str, client: Any, out: Path) -> Any:
    """Load the registered model of a run, as users do."""
    run = runs_of(client, out)["cnn_model"].info.run_id
    (version,) = client.search_model_versions(f"run_id = '{run}'")
    mlflow.set_tracking_uri(server)
    return mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")


def test_the_registered_model_predicts_as_the_bundle_does(
    server: str, client: Any, finished: Path, labelled_frames: Path
) -> None:
    model = registered(server, client, finished)
    uris = [str(file) for file in sorted(labelled_frames.rglob("*.jpg"))[:5]]
    wanted = load_model(str(finished / "models/cnn_model")).predict(uris)
    pd.testing.assert_frame_equal(model.predict(pd.DataFrame({"uri": uris})), wanted)
    contents = [Path(uri).read_bytes() for uri in uris]
    found = model.predict(pd.DataFrame({"image": contents}))
    assert found["flip_probability"].tolist() == wanted["flip_probability"].tolist()
    with pytest.raises(InputError, match="neither of the columns uri and image"):
        model.predict(uris)


def test_a_finished_run_is_not_written_again(
    client: Any, server: str, finished: Path, labelled_frames: Path
) -> None:
    before = {key: run.to_dictionary() for key, run in runs_of(client, finished).items()}
    again = options(labelled_frames, finished, settings=TWO_EPOCHS, resume=True)
    train(again, observers=[MLflow(server)])
    assert {key: run.to_dictionary() for key, run in runs_of(client, finished).items()} == before
    assert len(client.search_model_versions("name = 'flipbatch-cnn_model'")) == 1


def test_a_resumed_run_goes_on_and_has_each_epoch_once(
    client: Any, server: str, labelled_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=3))
    cut_train(wanted, 2, monkeypatch, observers=[MLflow(server)])
    runs = runs_of(client, tmp_path / "out")
    assert {run.info.status for run in runs.values()} == {"FAILED"}
    assert [step for step, _ in epochs(client, runs["cnn_model"], "val_loss")] == [1, 2]
    train(replace(wanted, resume=True), observers=[MLflow(server)])
    again = runs_of(client, tmp_path / "out")
    assert {run.info.run_id for run in again.values()} == {run.info.run_id for run in runs.values()}
    assert {run.info.status for run in again.values()} == {"FINISHED"}
    assert [step for step, _ in epochs(client, runs["cnn_model"], "val_loss")] == [1, 2, 3]


def test_models_of_folds_are_not_registered(
    client: Any, server: str, labelled_frames: Path, tmp_path: Path
) -> None:
    wanted = options(labelled_frames, tmp_path / "out", settings=Settings(epochs=1), folds=FoldPlan(2))
    train(wanted, observers=[MLflow(server)])
    runs = runs_of(client, tmp_path / "out")
    assert runs.keys() == {"command", "fold_01/cnn_model", "fold_02/cnn_model"}
    run = runs["fold_01/cnn_model"].info.run_id
    assert client.search_model_versions(f"run_id = '{run}'") == []


def test_a_server_that_does_not_answer_stops_the_command_before_its_work(
    labelled_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(JobError, match=r"127\.0\.0\.1:9 can't be used: .*refused"):
        train(options(labelled_frames, tmp_path / "out"), observers=[MLflow("http://127.0.0.1:9")])
    assert not (tmp_path / "out" / "models").exists()


def test_mlflow_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match="--tracking-uri URI or set MLFLOW_TRACKING_URI"):
        observers("mlflow", None, 0)


def test_an_address_without_mlflow_is_refused() -> None:
    with pytest.raises(InputError, match="--tracking-uri needs --tracking mlflow"):
        observers(None, "http://127.0.0.1:9", 0)
