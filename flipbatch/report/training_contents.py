"""The contents of a training report: the files of a run, read again.

Knows where a training run keeps its files. Does not know markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from flipbatch import storage
from flipbatch.evaluation.examples import FrameExamples
from flipbatch.models.bundle import MODEL_CARD_FILE
from flipbatch.report.contents import Json, JsonByName
from flipbatch.runtime.run_directory import RUN_FILE, RunDirectory
from flipbatch.storage.parquet import read_table
from flipbatch.training.fit_model import MODELS_FOLDER, TEST_FRAMES_FOLDER


@dataclass(frozen=True)
class TrainingReport:
    """Everything that the page shows.

    Attributes
    ----------
    run, comparison : mapping
        The content of ``run.json`` and ``comparison.json``.
    model_cards : mapping of str to mapping
        The content of each model's ``model.json``, by name.
    test_frames : mapping of str to pyarrow.Table
        `schema.PREDICTIONS` of the test split, by model. A model that an older version trained has none.
    """

    run: Json
    comparison: Json
    model_cards: JsonByName
    test_frames: Mapping[str, pa.Table]

    @property
    def examples(self) -> dict[str, FrameExamples]:
        """The test frames of each model to look at."""
        return {
            name: FrameExamples.of(frames, self.model_cards[name]["threshold"])
            for name, frames in self.test_frames.items()
        }


def gather_training(directory: RunDirectory, comparison: Json) -> TrainingReport:
    """Return the contents of a run's report.

    Raises
    ------
    OutputError
        If a file of the run is damaged.
    StorageError
        If a file can't be read.
    """
    names = list(comparison["models"])
    tables = {name: directory.path(TEST_FRAMES_FOLDER, f"{name}.parquet") for name in names}
    return TrainingReport(
        run=directory.read_json(RUN_FILE),
        comparison=comparison,
        model_cards={
            name: directory.read_json(f"{MODELS_FOLDER}/{name}/{MODEL_CARD_FILE}") for name in names
        },
        test_frames={name: read_table(uri) for name, uri in tables.items() if storage.exists(uri)},
    )
