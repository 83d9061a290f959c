"""Which frames train, validate and test."""

from collections import Counter, defaultdict
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.schema import MANIFEST, SPLITS, Split
from flipbatch.training.splits import split_frames


def manifest(*videos):
    """Return a manifest of (video_id, label, split, frames), one after the other."""
    rows = [
        {"video_id": video, "frame_number": number, "uri": f"{video}_{place}_{number}.jpg"}
        | {"label": label, "split": split}
        for place, (video, label, split, frames) in enumerate(videos)
        for number in range(frames)
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["video_id"], row["uri"])), MANIFEST)


def unsplit(flips, notflips, frames=4):
    return manifest(
        *((f"flip/{number:03d}", "flip", None, frames) for number in range(flips)),
        *((f"notflip/{number:03d}", "notflip", None, frames) for number in range(notflips)),
    )


def videos(splits, split):
    return set(splits.of(split)["video_id"].to_pylist())


def labels(splits, split):
    return Counter(splits.of(split)["label"].to_pylist())


def overlaps(splits):
    one, two, three = (videos(splits, split) for split in Split)
    return (one & two) | (one & three) | (two & three)


# ------------------------------------------------------------------------------ carved


@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 2**32))
def test_no_video_is_in_two_splits_and_each_has_both_classes(flips, notflips, seed):
    table = unsplit(flips, notflips, frames=2)
    splits = split_frames(table, seed)
    assert not overlaps(splits)
    assert all(labels(splits, split).keys() == {"flip", "notflip"} for split in Split)
    assert splits.frames.drop_columns("split") == table.drop_columns("split")
    assert splits.warnings == splits.shared == ()


def test_a_fifth_of_each_class_tests_and_a_fifth_of_the_rest_validates():
    splits = split_frames(unsplit(50, 100, frames=1), 0)
    assert labels(splits, Split.TEST) == {"flip": 10, "notflip": 20}
    assert labels(splits, Split.VAL) == {"flip": 8, "notflip": 16}
    assert labels(splits, Split.TRAIN) == {"flip": 32, "notflip": 64}


def test_the_seed_decides_which():
    table = unsplit(20, 20)
    assert split_frames(table, 7).frames == split_frames(table, 7).frames
    assert split_frames(table, 7).frames != split_frames(table, 8).frames


def test_frames_decide_nothing_but_their_video():
    few, many = (split_frames(unsplit(10, 10, frames), 3) for frames in (1, 9))
    assert [videos(few, split) for split in Split] == [videos(many, split) for split in Split]


def test_a_video_of_both_labels_goes_whole():
    mixed = [(f"both/{n}", label, None, 3) for n, label in product(range(10), ("flip", "notflip"))]
    splits = split_frames(manifest(*mixed), 0)
    assert not overlaps(splits)
    assert len(videos(splits, Split.TEST)) == 2
    assert labels(splits, Split.VAL) == {"flip": 6, "notflip": 6}


def test_a_kind_of_which_there_is_one_video_trains():
    table = pa.concat_tables([unsplit(5, 5), manifest(("zz", "flip", None, 2), ("zz", "notflip", None, 2))])
    assert "zz" in videos(split_frames(table, 0), Split.TRAIN)


# ------------------------------------------------------------------------------ supplied

supplied = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from(["flip", "notflip"]),
        st.sampled_from([None, "train", "val", "test"]),
        st.integers(1, 3),
    ),
    min_size=4,
    max_size=20,
)


def naive_shares(table, split):
    """(shared videos, videos, shared frames, frames), counted a row at a time."""
    rows = table.to_pylist()
    train = {row["video_id"] for row in rows if row["split"] in (None, "train")}
    frames = [row["video_id"] for row in rows if row["split"] == split]
    shared = [video for video in frames if video in train]
    return len(set(shared)), len(set(frames)), len(shared), len(frames)


@given(supplied, st.integers(0, 3))
def test_shared_videos_are_counted_exactly(videos, seed):
    table = manifest(("always", "flip", "test", 1), *videos)
    try:
        splits = split_frames(table, seed)
    except InputError:
        return
    expected = {split: naive_shares(table, split) for split in ("val", "test")}
    found = {
        one.split: (one.shared_videos, one.videos, one.shared_frames, one.frames) for one in splits.shared
    }
    assert found == {split: shares for split, shares in expected.items() if shares[0]}


@given(supplied, st.integers(0, 3))
def test_supplied_validation_and_test_frames_stay(videos, seed):
    table = manifest(*videos)
    try:
        splits = split_frames(table, seed)
    except InputError:
        return
    for before, after in zip(table.to_pylist(), splits.frames.to_pylist(), strict=True):
        assert before["split"] in (None, "train", after["split"])


@given(supplied, st.integers(0, 3))
def test_what_we_carve_shares_no_video_with_training(videos, seed):
    table = manifest(*videos)
    try:
        splits = split_frames(table, seed)
    except InputError:
        return
    of = defaultdict(set)
    for before, after in zip(table.to_pylist(), splits.frames.to_pylist(), strict=True):
        of[after["split"], before["split"] == after["split"]].add(after["video_id"])
    train = of["train", True] | of["train", False]
    assert not of["test", False] & (train | of["val", True] | of["val", False])
    if not any("validate" in warning for warning in splits.warnings):
        assert not of["val", False] & train


def test_a_test_split_that_leaks_is_called_so_with_numbers():
    table = manifest(
        *((f"{n}", label, "train", 8) for n in range(5) for label in ("flip", "notflip")),
        *((f"{n}", label, "test", 2) for n in range(3, 6) for label in ("flip", "notflip")),
    )
    warning = " ".join(split_frames(table, 0).warnings)
    assert "The test split shares 2 of its 3 videos (8 of 12 frames) with training" in warning
    assert "measures memory" in warning


def test_supplied_splits_that_share_nothing_pass_without_a_word():
    table = manifest(
        *((f"{split}-{label}", label, split, 3) for split in Split for label in ("flip", "notflip"))
    )
    splits = split_frames(table, 0)
    assert splits.frames == table
    assert splits.warnings == ()


def test_what_chooses_the_threshold_is_never_carved_to_test():
    pairs = [(n, label) for n in range(10) for label in ("flip", "notflip")]
    table = manifest(
        *((f"{label}{n}", label, "train", 4) for n, label in pairs),
        *((f"{label}{n}", label, "val", 4) for n, label in pairs if n < 5),
    )
    splits = split_frames(table, 0)
    assert not videos(splits, Split.TEST) & videos(splits, Split.VAL)


# ------------------------------------------------------------------------------ too few


def test_the_only_video_of_a_class_gives_its_last_frames_and_it_says_so():
    splits = split_frames(
        manifest(
            ("one", "flip", None, 10),
            *((f"n{n}", "notflip", None, 4) for n in range(5)),
            ("test", "flip", "test", 1),
        ),
        0,
    )
    validated = [r["frame_number"] for r in splits.of(Split.VAL).to_pylist() if r["video_id"] == "one"]
    assert validated == [8, 9]
    assert (
        "Only one training video shows flip, one: its first 8 frames train, its last 2" in splits.warnings[0]
    )


def test_two_videos_of_each_class_are_enough():
    splits = split_frames(unsplit(2, 2, frames=5), 0)
    assert [labels(splits, split) for split in Split] == [
        {"flip": 4, "notflip": 4},
        {"flip": 1, "notflip": 1},
        {"flip": 5, "notflip": 5},
    ]
    assert len(splits.warnings) == 2


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (manifest(), r"frames hold no flip and no notflip frame: .* folders named flip and notflip"),
        (manifest(("a", None, None, 3)), r"hold no flip and no notflip frame"),
        (unsplit(3, 0), r"The frames hold no notflip frame: they must be in folders"),
        (unsplit(1, 3), r"test videos that could be held out hold no flip frame: it takes two videos"),
        (
            manifest(("a", "flip", "test", 1), ("b", "notflip", "test", 1)),
            r"training frames hold no flip and no",
        ),
        (
            manifest(("a", "flip", "train", 1), ("b", "notflip", "train", 9), ("c", "flip", "test", 1)),
            r"validation frames hold no flip frame: add videos of both classes",
        ),
        (
            manifest(
                *((f"{n}{label}", label, "train", 2) for n in range(4) for label in ("flip", "notflip")),
                ("v", "flip", "val", 2),
            ),
            r"validation frames hold no notflip frame",
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
    assert splits.warnings == ("3 frames without label are left out of training.",)


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
