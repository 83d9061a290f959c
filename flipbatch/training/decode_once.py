"""Every labelled frame is decoded once for all models and folds; failures and copies are said.

Knows an executor and the checks before training; knows no pixels and no network.
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames.decode import InputSize
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.runtime.wording import counted, numbered
from flipbatch.schema import FAILURES, TRANSIENT, Label, Split
from flipbatch.storage.parquet import write_table
from flipbatch.training.frame_cache import cache_rows, is_ok
from flipbatch.training.leak import count_leaks, leak_warnings, repeats
from flipbatch.training.splits import SplitFrames
from flipbatch.training.trainer import DecodedFrames, Trainer

log = logging.getLogger(__name__)

MOST_UNREAD = 0.05
"""Largest share of frames that storage may fail to deliver: the default of scoring."""

FAILURES_FILE = "failures.parquet"


class DecodeOnce:
    """The frames of a run, decoded when they are first needed.

    Parameters
    ----------
    trainer : Trainer
    splits : sequence of SplitFrames
        All of the same rows: one for a plain run, one per fold for cross-validation.
    directory : RunDirectory
        Where ``failures.parquet`` is written.
    """

    def __init__(self, trainer: Trainer, splits: list[SplitFrames], directory: RunDirectory) -> None:
        self._trainer, self._splits, self._directory = trainer, splits, directory
        frames = splits[0].frames
        self._rows = cache_rows(frames).take(pa.array(_dealing_order(frames, [one.names for one in splits])))
        self._decoded: dict[InputSize, DecodedFrames] = {}

    def at(self, size: InputSize) -> DecodedFrames:
        """Return the frames at one size.

        Raises
        ------
        StorageError
            If too many of them are missing or unreadable.
        """
        if size not in self._decoded:
            decoded = self._trainer.decode(self._rows, size)
            _write_failures(self._directory, decoded.outcomes)
            _require_storage(decoded.outcomes)
            _log_equal_pictures(decoded.outcomes, self._splits)
            self._decoded[size] = decoded
        return self._decoded[size]


def decoded_counts(outcomes: pa.Table, splits: SplitFrames) -> dict[str, dict[str, int]]:
    """Return how many frames each split has (``frames``; ``flips`` of them are flips) and lacks (``failed``).

    Parameters
    ----------
    outcomes : pyarrow.Table
        Of `DecodedFrames.outcomes`.
    splits : SplitFrames

    Raises
    ------
    InputError
        If training or validation has no decoded frame of a class.
    """
    ok, names = is_ok(outcomes), splits.names
    labels = np.array(splits.frames["label"].to_pylist(), dtype=object)
    for split, name in ((Split.TRAIN, "training"), (Split.VAL, "validation")):
        for label in Label:
            if label not in labels[ok & (names == split)]:
                raise InputError(f"No {label} frame of the {name} split can be decoded: see {FAILURES_FILE}.")
    return {
        "frames": {split: int((ok & (names == split)).sum()) for split in Split},
        "flips": {split: int((ok & (names == split) & (labels == Label.FLIP)).sum()) for split in Split},
        "failed": {split: int((~ok & (names == split)).sum()) for split in Split},
    }


def _dealing_order(frames: pa.Table, splits: list[npt.NDArray[np.str_]]) -> npt.NDArray[np.int64]:
    """Return rows shuffled, then sorted by splits and labels: assigned round-robin, they give even shares."""
    labels = np.array(frames["label"].to_pylist(), dtype=str)
    shuffled = np.random.default_rng(0).permutation(frames.num_rows)
    keys = [labels[shuffled], *(names[shuffled] for names in splits)]
    return shuffled[np.lexsort(keys)]


def _write_failures(directory: RunDirectory, outcomes: pa.Table) -> None:
    failures = outcomes.filter(pa.array(~is_ok(outcomes))).select(FAILURES.names).cast(FAILURES)
    if failures.num_rows:
        write_table(failures.sort_by("uri"), directory.path(FAILURES_FILE))
        failed = "{count} {frame can't be decoded: it is|frames can't be decoded: they are} listed in"
        log.warning("%s %s.", numbered(failed, failures.num_rows), FAILURES_FILE)
    else:
        storage.remove_file(directory.path(FAILURES_FILE))  # an earlier attempt may have left it


def _log_equal_pictures(outcomes: pa.Table, splits: list[SplitFrames]) -> None:
    leaks = count_leaks(outcomes, splits)
    for warning in leak_warnings(leaks):
        log.warning("%s", warning)
    for line in repeats(leaks):
        log.info("%s", line)


def _require_storage(outcomes: pa.Table) -> None:
    """Refuse to train if too many frames are missing or unreadable: the rest is another data set."""
    lost = sum(status in TRANSIENT for status in outcomes["status"].to_pylist())
    if lost > MOST_UNREAD * outcomes.num_rows:
        raise StorageError(
            f"{lost:,} of {counted(outcomes.num_rows, 'frame')} {numbered('{is|are}', lost)} missing or "
            f"unreadable, more than {MOST_UNREAD:.0%}: "
            f"see {FAILURES_FILE}. Run the same command with --resume once they can be read."
        )
