"""Tables of a finished run as data frames.

Knows where a run keeps its tables; runs written by older versions are read as well. Does not know how tables
are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import Label, Status
from flipbatch.scoring.run import EVENTS_FOLDER, PREDICTIONS_FOLDER, STILLS_FOLDER, VIDEOS_FOLDER
from flipbatch.storage.parquet import read_table
from flipbatch.storage.system_names import is_hidden

_MODEL_FOLDER = "model="


def read_predictions(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the predictions of one model, or of all: see `flipbatch.read_predictions`."""
    directory = _finished(out)
    folder = directory.path(PREDICTIONS_FOLDER)
    tables = [
        _with_model(_read_parts(storage.join(folder, _MODEL_FOLDER + name)), name)
        for name in _chosen(directory, _model_names(directory), model)
    ]
    return pa.concat_tables(tables).to_pandas()


def read_videos(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the videos of one model, or of all: see `flipbatch.read_videos`."""
    directory = _finished(out)
    videos = _read_parts(directory.path(VIDEOS_FOLDER)).to_pandas()
    chosen = _chosen(directory, sorted(videos["model"].unique()), model)
    return videos[videos["model"].isin(chosen)].sort_values(["model", "video_id"], ignore_index=True)


def read_events(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the page turns of one model, or of all: see `flipbatch.read_events`."""
    return _read_of_models(out, EVENTS_FOLDER, "event", model)


def read_stills(out: str, model: str | None = None) -> pd.DataFrame:
    """Read the stills of one model, or of all: see `flipbatch.read_stills`."""
    return _read_of_models(out, STILLS_FOLDER, "still", model)


def _read_of_models(out: str, folder: str, number: str, model: str | None) -> pd.DataFrame:
    directory = _finished(out)
    if not storage.exists(directory.path(folder)):
        raise OutputError(
            f"{directory.uri} has no {folder}: an older flipbatch scored it. Score the frames again, to "
            "another --out."
        )
    rows = _read_parts(directory.path(folder)).to_pandas()
    chosen = _chosen(directory, _model_names(directory), model)
    return rows[rows["model"].isin(chosen)].sort_values(["model", "video_id", number], ignore_index=True)


def read_groups(out: str, model: str | None = None) -> pd.DataFrame:
    """Measure each group of one model, or of all: see `flipbatch.read_groups`."""
    # It imports scikit-learn, which takes a second.
    from flipbatch.evaluation.groups import MeasuredFrames, group_metrics

    predictions = read_predictions(out, model)
    groups = read_videos(out, model)[["model", "video_id", "group"]]
    frames = predictions.merge(groups, on=["model", "video_id"], validate="many_to_one")
    measured = frames.loc[frames["label"].notna() & (frames["status"] == Status.OK)]
    rows: list[dict[str, Any]] = []
    for name, of_model in measured.groupby("model", sort=True):
        columns = MeasuredFrames(
            truth=(of_model["label"] == Label.FLIP).to_numpy(bool),
            predicted=(of_model["prediction"] == Label.FLIP).to_numpy(bool),
            probability=of_model["flip_probability"].to_numpy(np.float64),
            video=of_model["video_id"].to_numpy(str),
            group=of_model["group"].to_numpy(str),
        )
        rows += [{"model": name, **row} for row in group_metrics(columns)]
    return pd.DataFrame(rows)


def _model_names(directory: RunDirectory) -> list[str]:
    names = storage.names_in(directory.path(PREDICTIONS_FOLDER))
    return [name.removeprefix(_MODEL_FOLDER) for name in names if name.startswith(_MODEL_FOLDER)]


def _finished(out: str) -> RunDirectory:
    directory = RunDirectory.at(out)
    if not directory.is_finished or not storage.exists(directory.path(PREDICTIONS_FOLDER)):
        raise OutputError(
            f"{directory.uri} is not a finished scoring run: it has no _SUCCESS and predictions."
        )
    return directory


def _chosen(directory: RunDirectory, models: list[str], model: str | None) -> list[str]:
    if model is None:
        return models
    if model not in models:
        raise OutputError(f"{directory.uri} has no model {model}: it has {', '.join(models)}.")
    return [model]


def _read_parts(folder: str) -> pa.Table:
    names = storage.names_in(folder)
    parts = (name for name in names if name.endswith(".parquet") and not is_hidden(name))
    return _concatenated(read_table(storage.join(folder, name)) for name in parts)


def _concatenated(tables: Iterable[pa.Table]) -> pa.Table:
    return pa.concat_tables(table.replace_schema_metadata(None) for table in tables)


def _with_model(table: pa.Table, model: str) -> pa.Table:
    return table.add_column(0, "model", pa.array([model] * table.num_rows, pa.string()))
