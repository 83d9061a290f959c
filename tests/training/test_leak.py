"""Equal pictures in two splits, or twice in one, are counted and said."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from flipbatch.frames.decode import InputSize
from flipbatch.schema import Status
from flipbatch.training.comparison import leak_of
from flipbatch.training.fit import Settings
from flipbatch.training.folds import FoldPlan
from flipbatch.training.frame_cache import OUTCOMES, cache_rows
from flipbatch.training.job import train
from flipbatch.training.leak import count_leaks, leak_warnings, repeats
from flipbatch.training.local_trainer import LocalTrainer
from flipbatch.training.splits import SplitFrames
from tests.conftest import write_frames
from tests.training.manifests import manifest
from tests.training.runs import options, record

ONE_EPOCH = Settings(epochs=1)


def leaks_of(pictures: str, *splits: str, failed: str = ""):
    """Count frames, one a letter: what each shows, and the initials of its splits; `-` is left out."""
    frames = len(pictures)
    status = [Status.CORRUPT if one in failed else Status.OK for one in pictures]
    columns = [range(frames), [f"{row}.jpg" for row in range(frames)], status, [""] * frames, list(pictures)]
    outcomes = pa.table([pa.array(list(column)) for column in columns], schema=OUTCOMES)
    return count_leaks(outcomes, [split_frames(one) for one in splits])


def split_frames(initials: str) -> SplitFrames:
    names = {"t": "train", "v": "val", "e": "test", "-": None}
    videos = [(f"{row:03d}", "flip", names[initial], 1) for row, initial in enumerate(initials)]
    return SplitFrames(manifest(*videos), (), ())


def shared(leak) -> tuple[int, ...]:
    """Return test in train, val in train, test in val."""
    return tuple(leak.shared.values())


# ------------------------------------------------------------------------------ counted


@pytest.mark.parametrize(
    ("pictures", "splits", "expected"),
    [
        ("abcdef", "ttvvee", (0, 0, 0)),
        ("abcdea", "ttvvee", (1, 0, 0)),
        ("aacaea", "ttvvee", (1, 1, 1)),
        ("abcdaa", "tvvvee", (2, 0, 0)),
        ("abcdce", "t-vvee", (0, 0, 1)),
        ("abcdbe", "t-vvee", (0, 0, 0)),
        ("ab", "tv", (0, 0, 0)),
    ],
)
def test_frames_whose_picture_another_split_has_are_counted(pictures, splits, expected):
    assert shared(leaks_of(pictures, splits)[0]) == expected


def test_frames_that_were_not_decoded_are_equal_to_none():
    leak = leaks_of("xxxabc", "ttvvee", failed="x")[0]
    assert shared(leak) == (0, 0, 0)
    assert leak.frames == {"train": 0, "val": 1, "test": 2}


def test_copies_within_a_split_are_repeated_frames_and_no_leak():
    leak = leaks_of("aaabcc", "tttvee")[0]
    assert leak.repeated == {"train": 2, "val": 0, "test": 1}
    assert leak_warnings([leak]) == []
    assert repeats([leak]) == [
        "Copies within a split: 2 train frames, 1 test frame. A picture counts as often as it is there."
    ]


def test_copies_within_folds_are_those_of_their_test_splits():
    (said,) = repeats(leaks_of("aabb", "ttee", "eett"))
    assert said.startswith("Copies within a split: 2 test frames.")


def test_without_copies_nothing_is_said():
    leaks = leaks_of("abcdef", "ttvvee")
    assert leak_warnings(leaks) == repeats(leaks) == []


def test_a_leak_is_one_sentence_with_numbers_and_two_uris():
    (said,) = leak_warnings(leaks_of("abbaab", "ttvvee"))
    assert said == (
        "Equal pictures are in two splits: 2 of 2 test frames are in train too, 2 of 2 val frames are in "
        "train too, 2 of 2 test frames are in val too, for example 4.jpg and 0.jpg. F1 on them is "
        "too high: remove the copies, or give all copies of a picture one group or one split in a manifest."
    )


def test_a_sentence_has_no_password():
    leak = leaks_of("aa", "te")[0]
    secret = "s3://key:secret@bucket/1.jpg"
    assert (
        "secret" not in leak_warnings([type(leak)(leak.frames, leak.shared, leak.repeated, (secret, ""))])[0]
    )


def test_folds_are_summed_in_one_sentence():
    leaks = leaks_of("abcab", "ttvee", "eettv")
    assert [shared(leak) for leak in leaks] == [(2, 0, 0), (1, 0, 1)]
    (said,) = leak_warnings(leaks)
    assert "over the 2 folds, 3 of 4 test frames are in train too, 1 of 4 test frames is in val too" in said


# ------------------------------------------------------------------------------ digests


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return digests of a picture, a copy, one with other metadata, one with another pixel, a damaged one."""
    root = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8)
    Image.fromarray(pixels).save(root / "v_0.png")
    shutil.copy(root / "v_0.png", root / "w_1.png")
    Image.fromarray(pixels).save(root / "v_2.png", dpi=(72, 72))
    pixels[4, 3, 0] ^= 1
    Image.fromarray(pixels).save(root / "v_3.png")
    (root / "v_4.png").write_bytes((root / "v_0.png").read_bytes()[:200])
    table = manifest(("v", "flip", "train", 5))
    files = [str(file) for file in sorted(root.iterdir(), key=lambda file: file.stem[-1])]
    rows = cache_rows(table.set_column(2, "uri", pa.array(files)))
    decoded = LocalTrainer(1, device=None).decode(rows, InputSize(24, 16))  # pyright: ignore
    return decoded.outcomes["digest"].to_pylist()


def test_equal_pixels_have_equal_digests_whatever_the_file_says(digests: list[str]) -> None:
    assert len(digests[0]) == 32
    assert digests[0] == digests[1] == digests[2]


def test_one_other_pixel_is_another_digest(digests: list[str]) -> None:
    assert digests[3] not in digests[:3]


def test_a_damaged_frame_has_no_digest(digests: list[str]) -> None:
    assert digests[4] == ""


# ------------------------------------------------------------------------------ said


def test_a_copy_in_the_supplied_test_split_is_said_everywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = write_frames(tmp_path / "frames", videos=3, frames=2, folders="training/{label}")
    write_frames(frames, videos=1, frames=2, folders="validation/{label}", first=5)
    write_frames(frames, videos=1, frames=2, folders="testing/{label}", first=9)
    copy = frames / "testing" / "flip" / "0009_000000001.jpg"
    shutil.copy(frames / "training" / "flip" / "0001_000000000.jpg", copy)
    with caplog.at_level(logging.INFO):
        comparison = train(options(frames, tmp_path / "out", settings=ONE_EPOCH))
    data = record(tmp_path / "out")["data"]
    (said,) = (warning for warning in data["warnings"] if "Equal pictures" in warning)
    assert "1 of 4 test frames is in train too" in said
    assert str(copy) in said
    assert caplog.text.count(said) == 1
    assert comparison["leak"] == data["leak"]
    assert data["leak"]["test"] == {"frames": 4, "repeated": 0, "in_train": 1, "in_val": 0}


def test_copies_in_two_groups_are_said_once_for_all_folds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = write_frames(tmp_path / "frames", videos=3, frames=2)
    shutil.copy(frames / "flip" / "0000_000000000.jpg", frames / "flip" / "0001_000000000.jpg")
    found = train(options(frames, tmp_path / "out", settings=ONE_EPOCH, folds=FoldPlan(None)))
    held = [fold["leak"]["test"] for fold in found["folds"]]
    assert [one["in_train"] + one["in_val"] for one in held] == [1, 1, 0]
    assert caplog.text.count("Equal pictures are in two splits: over the 3 folds") == 1
    bundle = record(tmp_path / "out" / "folds" / "01")
    assert bundle["data"]["leak"] == found["folds"][0]["leak"] == leak_of(bundle)


def test_an_older_bundle_says_nothing_of_equal_pictures():
    assert leak_of({"data": {"warnings": []}}) is None
    assert leak_of({}) is None


def test_the_leak_of_a_run_is_plain_json():
    text = json.dumps(leaks_of("aab", "tve")[0].to_json())
    assert json.loads(text) == {
        "train": {"frames": 1, "repeated": 0},
        "val": {"frames": 1, "repeated": 0, "in_train": 1},
        "test": {"frames": 1, "repeated": 0, "in_train": 0, "in_val": 0},
    }
