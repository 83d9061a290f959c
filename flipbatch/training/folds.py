"""Cross-validation splits: each group is held out once.

Knows groups, labels and how groups are assigned to folds. Does not know training or files. Validation is
taken from the other groups, as `split_frames` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from flipbatch.errors import InputError
from flipbatch.runtime.wording import counted
from flipbatch.schema import Label, Split
from flipbatch.training.splits import SplitFrames, labelled_frames, split_frames, with_splits


@dataclass(frozen=True)
class FoldPlan:
    """How groups are assigned to folds.

    Attributes
    ----------
    folds : int or None
        Number of folds, at least 2, for stratified groups. None holds out one group at a time.
    """

    folds: int | None

    def __str__(self) -> str:
        return "leave-one-out" if self.folds is None else str(self.folds)


def split_folds(manifest: pa.Table, plan: FoldPlan, seed: int) -> list[SplitFrames]:
    """Return the splits of each fold; supplied splits are ignored.

    Parameters
    ----------
    manifest : pyarrow.Table
        `schema.MANIFEST`.
    plan : FoldPlan
    seed : int
        Decides the folds and their validation groups, together with the manifest and nothing else.

    Returns
    -------
    list of SplitFrames
        The groups that a fold holds out are its test split. The frames of all folds are the same rows in the
        same order.

    Raises
    ------
    InputError
        If there are fewer groups than folds, or if a fold can't train or validate both classes.
    """
    labelled, _ = labelled_frames(manifest)
    groups = np.array(labelled["group"].to_pylist(), dtype=object)
    held_out = _leave_one_out(groups) if plan.folds is None else _stratified(labelled, plan.folds, seed)
    return [
        _split_fold(labelled, np.isin(groups, held), number, seed) for number, held in enumerate(held_out, 1)
    ]


def ignored_splits(manifest: pa.Table) -> list[str]:
    """Return a warning if the manifest supplies splits, which folds ignore."""
    supplied = manifest.num_rows - manifest["split"].null_count
    if not supplied:
        return []
    frames = counted(supplied, "frame")
    return [f"The supplied splits of {frames} are ignored: cross-validation makes its own splits."]


def _leave_one_out(groups: np.ndarray) -> list[list[str]]:
    names = sorted(set(groups))
    _require_groups(len(names), 2, "--leave-one-out")
    return [[name] for name in names]


def _stratified(labelled: pa.Table, folds: int, seed: int) -> list[list[str]]:
    from sklearn.model_selection import StratifiedGroupKFold

    groups = np.array(labelled["group"].to_pylist(), dtype=object).astype(str)
    labels = np.array(labelled["label"].to_pylist(), dtype=object).astype(str)
    _require_groups(len(set(groups)), folds, f"--folds {folds}")
    fewest = min(int((labels == label).sum()) for label in Label)
    if fewest < folds:
        raise InputError(
            f"A class has {counted(fewest, 'frame')}, fewer than --folds {folds}: use fewer folds."
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    assigned = [sorted(set(groups[held])) for _, held in splitter.split(groups, labels, groups)]
    for empty in (fold for fold in assigned if not fold):  # rare: the splitter looks at labels alone
        empty.append(max(assigned, key=len).pop())
    return assigned


def _require_groups(found: int, needed: int, flag: str) -> None:
    if found < needed:
        raise InputError(
            f"{flag} needs at least {needed} groups and the frames are of {found}: use fewer folds, or give "
            "groups in the manifest's column group."
        )


def _split_fold(labelled: pa.Table, held: np.ndarray, number: int, seed: int) -> SplitFrames:
    splits = np.full(len(held), None, dtype=object)
    splits[held] = Split.TEST
    try:
        return split_frames(with_splits(labelled, splits), seed)
    except InputError as error:
        left_out = ", ".join(sorted(set(labelled.filter(pa.array(held))["group"].to_pylist()))[:3])
        raise InputError(f"Fold {number}, which holds out {left_out}, can't train: {error}") from error
