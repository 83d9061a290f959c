"""Which frames train, validate and test."""

from collections import Counter, defaultdict
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.schema import SPLITS, Split
from flipbatch.training.splits import split_frames
from tests.training.manifests import books, manifest, unsplit


def videos(splits, split):
    return set(splits.of(split)["video_id"].to_pylist())


def labels(splits, split):
    return Counter(splits.of(split)["label"].to_pylist())


def groups(splits, split):
    return set(splits.of(split)["group"].to_pylist())


def overlaps(splits):
    one, two, three = (groups(splits, split) for split in Split)
    return (one & two) | (one & three) | (two & three)


def frame_numbers(splits, video, split):
    return [row["frame_number"] for row in splits.of(split).to_pylist() if row["video_id"] == video]


# ------------------------------------------------------------------------------ carved


@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 2**32))
def test_no_group_is_in_two_splits_and_each_has_both_classes(flips, notflips, seed):
    table = unsplit(flips, notflips, frames=2)
    splits = split_frames(table, seed)
    assert not overlaps(splits)
    assert all(labels(splits, split).keys() == {"flip", "notflip"} for split in Split)
    assert splits.frames.drop_columns("split") == table.drop_columns("split")
    assert splits.warnings == splits.shared == ()


kinds = st.lists(st.sampled_from([("flip",), ("notflip",), ("flip", "notflip")]), min_size=1, max_size=12)


def of_kinds(of_groups, frames):
    """Return a manifest of groups that hold the labels of their kind."""
    pairs = [(number, label) for number, kind in enumerate(of_groups) for label in kind]
    return manifest(*((f"{label}/{number:02d}", label, None, frames) for number, label in pairs))


@given(kinds, st.integers(1, 8), st.integers(0, 9))
def test_groups_of_any_kinds_are_never_cut_unless_it_is_said(of_groups, frames, seed):
    try:
        splits = split_frames(of_kinds(of_groups, frames), seed)
    except InputError:
        return
    said = any("is left for validation" in warning for warning in splits.warnings)
    assert said or not overlaps(splits)
    assert not groups(splits, Split.TEST) & (groups(splits, Split.TRAIN) | groups(splits, Split.VAL))
    assert all(labels(splits, split).keys() == {"flip", "notflip"} for split in Split)


@given(kinds, st.integers(0, 9))
def test_three_groups_of_each_class_are_always_enough(of_groups, seed):
    table = of_kinds([*of_groups, *[("flip", "notflip")] * 3], frames=1)
    splits = split_frames(table, seed)
    assert not overlaps(splits)
    assert all(labels(splits, split).keys() == {"flip", "notflip"} for split in Split)


def test_a_fifth_of_each_class_tests_and_a_fifth_of_the_rest_validates():
    splits = split_frames(unsplit(50, 100, frames=1), 0)
    assert labels(splits, Split.TEST) == {"flip": 10, "notflip": 20}
    assert labels(splits, Split.VAL) == {"flip": 8, "notflip": 16}
    assert labels(splits, Split.TRAIN) == {"flip": 32, "notflip": 64}


@given(kinds, st.integers(0, 9))
def test_the_seed_decides_which(of_groups, seed):
    table = of_kinds([*of_groups, *[("flip", "notflip")] * 3], frames=1)
    assert split_frames(table, seed).frames == split_frames(table, seed).frames


def test_another_seed_holds_out_other_groups():
    assert split_frames(unsplit(20, 20), 7).frames != split_frames(unsplit(20, 20), 8).frames


def test_the_number_of_frames_does_not_matter():
    few, many = (split_frames(unsplit(10, 10, frames), 3) for frames in (1, 9))
    assert [videos(few, split) for split in Split] == [videos(many, split) for split in Split]


def test_a_book_is_never_divided():
    splits = split_frames(books(5), 0)
    assert not overlaps(splits)
    assert [len(groups(splits, split)) for split in Split] == [3, 1, 1]
    assert labels(splits, Split.VAL) == {"flip": 6, "notflip": 6}


def test_a_video_of_both_labels_is_never_divided():
    mixed = [(f"both/{n}", label, None, 3) for n, label in product(range(10), ("flip", "notflip"))]
    splits = split_frames(manifest(*mixed), 0)
    assert not overlaps(splits)
    assert len(videos(splits, Split.TEST)) == 2
    assert labels(splits, Split.VAL) == {"flip": 6, "notflip": 6}


def test_a_kind_of_which_there_is_one_group_trains():
    table = pa.concat_tables([unsplit(5, 5), manifest(("zz", "flip", None, 2), ("zz", "notflip", None, 2))])
    assert "zz" in videos(split_frames(table, 0), Split.TRAIN)


def test_a_class_in_two_kinds_of_groups_is_held_out_all_the_same():
    table = of_kinds([("flip",), ("flip", "notflip"), ("notflip",), ("notflip",), ("notflip",)], frames=5)
    assert labels(split_frames(table, 0), Split.TEST).keys() == {"flip", "notflip"}


# ------------------------------------------------------------------------------ VideoIDs of both labels


def test_a_video_id_under_both_labels_is_one_group_and_it_is_said():
    pairs = product(range(12), ("flip", "notflip"))
    splits = split_frames(manifest(*((f"{label}/{n:04d}", label, None, 2) for n, label in pairs)), 0)
    assert not overlaps(splits)
    assert splits.warnings[0].startswith(
        "Each of 12 VideoIDs, for example 0000, has frames under both labels: its frames are one group, "
        "unless the manifest's column group says otherwise."
    )


def test_one_such_video_id_is_named():
    table = pa.concat_tables(
        [unsplit(5, 5), manifest(("flip/7", "flip", None, 2), ("notflip/7", "notflip", None, 2))]
    )
    assert "VideoID 7 has frames under both labels" in split_frames(table, 0).warnings[0]


def test_groups_of_the_manifest_say_otherwise():
    pairs = [(n, label) for n in range(5) for label in ("flip", "notflip")]
    own = {f"{label}/{n}": f"{label} clip {n}" for n, label in pairs}
    table = manifest(*((f"{label}/{n}", label, None, 2) for n, label in pairs), groups=own)
    assert split_frames(table, 0).warnings == ()


# ------------------------------------------------------------------------------ supplied

supplied = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "flip/c", "notflip/c", "flip/d", "notflip/d"]),
        st.sampled_from(["flip", "notflip"]),
        st.sampled_from([None, "train", "val", "test"]),
        st.integers(1, 3),
    ),
    min_size=4,
    max_size=20,
)


def naive_shares(table, split, column):
    """(shared, all, frames of shared, frames) of videos or groups, counted a row at a time."""
    rows = table.to_pylist()
    train = {row[column] for row in rows if row["split"] in (None, "train")}
    frames = [row[column] for row in rows if row["split"] == split]
    shared = [one for one in frames if one in train]
    return len(set(shared)), len(set(frames)), len(shared), len(frames)


def found_shares(one):
    of_videos = one.shared_videos, one.videos, one.shared_frames, one.frames
    return of_videos, (one.shared_groups, one.groups, one.shared_group_frames, one.frames)


@given(supplied, st.integers(0, 3))
def test_shared_videos_and_groups_are_counted_exactly(videos, seed):
    table = manifest(("always", "flip", "test", 1), *videos)
    try:
        splits = split_frames(table, seed)
    except InputError:
        return
    expected = {
        split: (naive_shares(table, split, "video_id"), naive_shares(table, split, "group"))
        for split in ("val", "test")
    }
    found = {one.split: found_shares(one) for one in splits.shared}
    assert found == {split: shares for split, shares in expected.items() if shares[1][0]}


@given(supplied, st.integers(0, 3))
def test_supplied_validation_and_test_frames_stay(videos, seed):
    table = manifest(*videos)
    try:
        splits = split_frames(table, seed)
    except InputError:
        return
    for before, after in zip(table.to_pylist(), splits.frames.to_pylist(), strict=True):
        assert before["split"] in (None, "train", after["split"])
        assert after["split"] or any("left out" in warning for warning in splits.warnings)


@given(supplied, st.integers(0, 3))
def test_what_is_carved_shares_no_group_with_training(videos, seed):
    table = manifest(*videos)
    try:
        splits = split_frames(table, seed)
    except InputError:
        return
    of = defaultdict(set)
    for before, after in zip(table.to_pylist(), splits.frames.to_pylist(), strict=True):
        of[after["split"], before["split"] == after["split"]].add(after["group"])
    train = of["train", True] | of["train", False]
    assert not of["test", False] & (train | of["val", True] | of["val", False])
    if not any("is left for validation" in warning for warning in splits.warnings):
        assert not of["val", False] & train


def test_a_test_split_that_leaks_is_called_so_with_numbers():
    table = manifest(
        *((f"{n}", label, "train", 8) for n in range(5) for label in ("flip", "notflip")),
        *((f"{n}", label, "test", 2) for n in range(3, 6) for label in ("flip", "notflip")),
    )
    warning = " ".join(split_frames(table, 0).warnings)
    assert (
        "The test split shares 2 of its 3 videos (8 of 12 frames) and 2 of its 3 groups (8 of 12 frames) "
        "with training: F1 on it does not measure generalisation to new videos." in warning
    )


def test_a_test_split_that_shares_a_book_and_no_video_is_called_so():
    table = manifest(
        *(
            (f"{label}/{n}", label, split, 3)
            for n, split in enumerate(Split)
            for label in ("flip", "notflip")
        ),
        groups={"flip/2": "0"},
    )
    assert (
        "The test split shares no video but 1 of its 2 groups (3 of 6 frames) with training: F1 on it does "
        "not measure generalisation to new groups."
    ) in split_frames(table, 0).warnings


def test_supplied_splits_that_share_nothing_give_no_warning():
    table = manifest(
        *((f"{split}-{label}", label, split, 3) for split in Split for label in ("flip", "notflip"))
    )
    splits = split_frames(table, 0)
    assert splits.frames == table
    assert splits.warnings == ()


def test_groups_that_choose_the_threshold_never_become_test_groups():
    pairs = [(n, label) for n in range(10) for label in ("flip", "notflip")]
    table = manifest(
        *((f"{label}{n}", label, "train", 4) for n, label in pairs),
        *((f"{label}{n}", label, "val", 4) for n, label in pairs if n < 5),
    )
    splits = split_frames(table, 0)
    assert not videos(splits, Split.TEST) & videos(splits, Split.VAL)


# ------------------------------------------------------------------------------ too few


def one_flip_video(frames):
    return manifest(
        ("one", "flip", None, frames),
        *((f"n{n}", "notflip", None, 4) for n in range(5)),
        ("test", "flip", "test", 1),
    )


def test_the_only_group_of_a_class_gives_its_last_frames_and_it_is_said():
    splits = split_frames(one_flip_video(10), 0)
    assert frame_numbers(splits, "one", Split.TRAIN) == [0, 1, 2, 3, 4, 5]
    assert frame_numbers(splits, "one", Split.VAL) == [8, 9]
    assert (
        "No flip group is left for validation. Of the flip frames of one, the first 6 are for training, the "
        "next 2 are left out, and the last 2 are for validation." in splits.warnings[0]
    )


@pytest.mark.parametrize(("frames", "left_out"), [(3, "the next is"), (2, "none is")])
def test_one_frame_of_each_kind_is_not_called_several(frames, left_out):
    splits = split_frames(one_flip_video(frames), 0)
    assert (
        f"the first is for training, {left_out} left out, and the last is for validation."
        in splits.warnings[0]
    )


@given(st.integers(2, 60))
def test_as_many_frames_are_left_out_before_the_last_ones_as_validate(frames):
    splits = split_frames(one_flip_video(frames), 0)
    train, val = (frame_numbers(splits, "one", split) for split in (Split.TRAIN, Split.VAL))
    assert train
    assert val
    assert val[0] - train[-1] - 1 == min(len(val), frames - len(val) - 1)
    assert splits.table()["video_id"].to_pylist().count("one") == 2


def test_frames_that_are_left_out_are_in_no_split():
    splits = split_frames(one_flip_video(10), 0)
    assert splits.frames.num_rows == 31
    assert sum(splits.of(split).num_rows for split in Split) == 29
    assert sum(splits.table()["frames"].to_pylist()) == 29


def test_two_videos_of_each_class_are_enough():
    splits = split_frames(unsplit(2, 2, frames=5), 0)
    assert [labels(splits, split) for split in Split] == [
        {"flip": 3, "notflip": 3},
        {"flip": 1, "notflip": 1},
        {"flip": 5, "notflip": 5},
    ]
    assert len(splits.warnings) == 2


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (manifest(), r"frames contain no flip and no notflip frame: .* folders named flip and notflip"),
        (manifest(("a", None, None, 3)), r"contain no flip and no notflip frame"),
        (unsplit(3, 0), r"The frames contain no notflip frame: they must be in folders"),
        (unsplit(1, 3), r"test groups that could be held out contain no flip frame: at least two groups"),
        (
            manifest(("a", "flip", "test", 1), ("b", "notflip", "test", 1)),
            r"training frames contain no flip and no",
        ),
        (
            manifest(("a", "flip", "train", 1), ("b", "notflip", "train", 9), ("c", "flip", "test", 1)),
            r"validation frames contain no flip frame: add videos of both classes",
        ),
        (
            manifest(
                *((f"{n}{label}", label, "train", 2) for n in range(4) for label in ("flip", "notflip")),
                ("v", "flip", "val", 2),
            ),
            r"validation frames contain no notflip frame",
        ),
    ],
)
def test_too_few_videos_are_refused_with_what_is_missing(table, why):
    with pytest.raises(InputError, match=why):
        split_frames(table, 0)


# ------------------------------------------------------------------------------ tables


def test_frames_without_label_are_left_out_and_counted():
    splits = split_frames(pa.concat_tables([unsplit(5, 5), manifest(("x", None, None, 3))]), 0)
    assert splits.frames.num_rows == 40
    assert splits.warnings == ("3 frames without a label are not used for training.",)
    splits = split_frames(pa.concat_tables([unsplit(5, 5), manifest(("x", None, None, 1))]), 0)
    assert splits.warnings == ("1 frame without a label is not used for training.",)


def test_the_table_of_splits_counts_every_frame_once():
    splits = split_frames(unsplit(6, 6), 0)
    table = splits.table()
    assert table.schema == SPLITS
    assert sum(table["frames"].to_pylist()) == splits.frames.num_rows
    pairs = list(zip(table["video_id"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    assert Counter(splits.frames["split"].to_pylist()) == {
        split: 4 * sum(one == split for _, one in pairs) for split in Split
    }
