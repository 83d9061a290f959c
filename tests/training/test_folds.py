"""Groups dealt to folds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.schema import Split
from flipbatch.training.folds import FoldPlan, ignored_splits, split_folds
from tests.training.manifests import books, manifest, unsplit

LEAVE_ONE_OUT = FoldPlan(None)


def held_out(folds):
    return [set(fold.of(Split.TEST)["group"].to_pylist()) for fold in folds]


def both_labels(fold, split):
    return set(fold.of(split)["label"].to_pylist()) == {"flip", "notflip"}


@given(st.integers(6, 20), st.integers(2, 5), st.integers(0, 5))
def test_each_group_is_held_out_once_and_never_trains_then(count, folds, seed):
    table = unsplit(count, count, frames=2)
    split = split_folds(table, FoldPlan(folds), seed)
    held = held_out(split)
    assert len(split) == folds
    assert all(held)
    assert sorted(group for groups in held for group in groups) == sorted(set(table["group"].to_pylist()))
    for fold, groups in zip(split, held, strict=True):
        assert not groups & set(fold.of(Split.TRAIN)["group"].to_pylist())
        assert not groups & set(fold.of(Split.VAL)["group"].to_pylist())
        assert both_labels(fold, Split.TRAIN)
        assert both_labels(fold, Split.VAL)


def test_folds_are_stratified_by_label():
    flips = [
        fold.of(Split.TEST)["label"].to_pylist().count("flip")
        for fold in split_folds(unsplit(8, 12), FoldPlan(4), 0)
    ]
    assert flips == [8, 8, 8, 8]


@given(st.integers(0, 5))
def test_the_seed_decides_the_folds(seed):
    one, other = (split_folds(unsplit(9, 9), FoldPlan(3), seed) for _ in range(2))
    assert [fold.frames for fold in one] == [fold.frames for fold in other]


def test_all_folds_are_of_the_same_rows():
    first, *others = split_folds(books(4), FoldPlan(2), 0)
    assert all(fold.frames["uri"] == first.frames["uri"] for fold in others)


def test_leave_one_out_holds_out_each_book_in_turn():
    folds = split_folds(books(4), LEAVE_ONE_OUT, 0)
    assert held_out(folds) == [{"book 0"}, {"book 1"}, {"book 2"}, {"book 3"}]
    assert [len(set(fold.of(Split.VAL)["group"].to_pylist())) for fold in folds] == [1, 1, 1, 1]


def test_of_two_books_the_one_that_trains_validates_with_its_last_frames():
    folds = split_folds(books(2, frames=10), LEAVE_ONE_OUT, 0)
    for fold in folds:
        assert [fold.of(split).num_rows for split in Split] == [24, 8, 40]
        assert sum("are left out" in warning for warning in fold.warnings) == 2


def test_supplied_splits_are_ignored_and_it_is_said():
    table = manifest(*((f"{label}{n}", label, "test", 3) for n in range(4) for label in ("flip", "notflip")))
    assert all(fold.of(Split.TRAIN).num_rows for fold in split_folds(table, FoldPlan(2), 0))
    assert ignored_splits(table) == [
        "The supplied splits of 24 frames are ignored: cross-validation makes its own splits."
    ]
    assert ignored_splits(unsplit(2, 2)) == []


@pytest.mark.parametrize(
    ("table", "plan", "why"),
    [
        (books(3), FoldPlan(4), "--folds 4 needs at least 4 groups and the frames are of 3"),
        (books(1), LEAVE_ONE_OUT, "--leave-one-out needs at least 2 groups and the frames are of 1"),
        (unsplit(5, 1, frames=2), FoldPlan(3), "A class has 2 frames, fewer than --folds 3"),
        (unsplit(5, 1), LEAVE_ONE_OUT, "Fold 6, which holds out n000, can't train: .* no notflip frame"),
        (unsplit(5, 0), FoldPlan(2), "The frames contain no notflip frame"),
    ],
)
def test_what_can_not_be_dealt_is_refused(table, plan, why):
    with pytest.raises(InputError, match=why):
        split_folds(table, plan, 0)
