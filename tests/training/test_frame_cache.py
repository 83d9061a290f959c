"""Frames are decoded once and kept."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from flipbatch.frames.decode import InputSize, decode
from flipbatch.schema import MANIFEST, Split, Status
from flipbatch.training.frame_cache import FrameCache, cache_rows, collect_splits, decode_rows
from tests.training.small_frames import cache_of

SIZE = InputSize(24, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (48, 32, 3), np.uint8)).save(root / f"v_{number}.png")
    (root / "v_6.png").write_bytes((root / "v_0.png").read_bytes()[:500])
    return root


def rows(folder, *numbers):
    """Return `cache_rows` of frames as arrays; 6 is damaged, 7 is missing."""
    manifest = [
        {"video_id": "v", "frame_number": number, "uri": f"{folder}/v_{number}.png"}
        | {"label": "flip" if number % 2 else "notflip", "split": "train", "group": "book"}
        for number in numbers
    ]
    table = cache_rows(pa.Table.from_pylist(manifest, MANIFEST))
    return {name: table[name].to_numpy() for name in table.column_names}


def collected(folder, *batches):
    return FrameCache.collect((decode_rows(rows(folder, *batch), SIZE) for batch in batches), SIZE)


def decoded(folder, number):
    pixels = decode((folder / f"v_{number}.png").read_bytes(), SIZE)
    assert isinstance(pixels, np.ndarray)
    return pixels


def equal(one, other):
    return (
        torch.equal(one.pixels, other.pixels)
        and torch.equal(one.positive, other.positive)
        and one.video_id.tolist() == other.video_id.tolist()
        and one.frame_number.tolist() == other.frame_number.tolist()
    )


def test_rows_say_class_and_frame_but_not_the_split(folder):
    assert rows(folder, 1, 2).keys() == {
        "row",
        "video_id",
        "group",
        "frame_number",
        "uri",
        "version",
        "positive",
    }
    assert rows(folder, 1, 2)["positive"].tolist() == [True, False]


def test_pixels_are_those_of_the_one_decoder(folder):
    pixels = decode_rows(rows(folder, 3), SIZE)["pixels"]
    assert np.array_equal(pixels[0], decoded(folder, 3))


def test_a_frame_that_cannot_be_decoded_says_why_and_has_no_pixels(folder):
    batch = decode_rows(rows(folder, 0, 6, 7), SIZE)
    assert batch["status"].tolist() == [Status.OK, Status.CORRUPT, Status.MISSING]
    assert batch["error"][0] == ""
    assert batch["error"][2] == "there is no such file"
    assert not batch["pixels"][1:].any()


def test_only_decoded_frames_are_kept(folder):
    cache = collected(folder, [0, 6, 7, 1])
    assert len(cache) == 2
    assert cache.frame_number.tolist() == [0, 1]
    assert cache.positive.tolist() == [False, True]


def test_order_and_batches_do_not_matter(folder):
    whole = collected(folder, [0, 1, 2, 3, 4, 5])
    assert equal(collected(folder, [5, 2], [0], [], [4, 1, 3]), whole)
    assert equal(collected(folder, [3], [2, 6, 1], [7], [0, 5, 4]), whole)


def test_each_frame_keeps_its_own_pixels(folder):
    cache = collected(folder, [4, 2], [5, 0, 6], [3, 1])
    for number, pixels in zip(cache.frame_number, cache.pixels, strict=True):
        assert np.array_equal(pixels, decoded(folder, number))


@pytest.mark.parametrize("batches", [[], [[]], [[6], [7]]])
def test_a_share_may_be_empty(folder, batches):
    cache = collected(folder, *batches)
    assert len(cache) == 0
    assert cache.pixels.shape == (0, SIZE.height, SIZE.width, 3)
    assert (cache.pixels.dtype, cache.positive.dtype) == (torch.uint8, torch.bool)


def test_each_split_gets_its_frames_and_others_are_left_out(folder):
    batches = [decode_rows(rows(folder, 0, 1, 2, 3, 6, 4), SIZE)]
    splits = np.array(["train", "test", "", "val", "train", "train"])
    caches = collect_splits(batches, splits, SIZE)
    numbers = {split: cache.frame_number.tolist() for split, cache in caches.items()}
    assert numbers == {Split.TRAIN: [0, 4], Split.VAL: [3], Split.TEST: [1]}
    assert np.array_equal(caches[Split.VAL].pixels[0], decoded(folder, 3))


def test_halved_each_pixel_is_the_mean_of_four(folder):
    cache = collected(folder, [0, 1, 2])
    means = cache.pixels.float().reshape(3, 12, 2, 8, 2, 3).mean(dim=(2, 4))
    assert cache.halved().pixels.dtype == torch.uint8
    assert (cache.halved().pixels - means).abs().max() <= 0.5


def test_halved_the_frames_are_the_same(folder):
    cache = collected(folder, [0, 1, 2])
    assert equal(replace(cache.halved(), pixels=cache.pixels), cache)


def test_an_odd_last_row_and_column_are_left_out():
    cache = FrameCache.collect([], InputSize(5, 7))
    odd = replace(cache, pixels=torch.zeros(2, 5, 7, 3, dtype=torch.uint8))
    assert odd.halved().pixels.shape == (2, 2, 3, 3)


def test_an_empty_share_can_be_halved():
    assert FrameCache.collect([], SIZE).halved().pixels.shape == (0, 12, 8, 3)


def test_types_are_those_that_training_expects(folder):
    cache = collected(folder, [0, 1])
    assert cache.pixels.shape == (2, SIZE.height, SIZE.width, 3)
    assert (cache.pixels.dtype, cache.positive.dtype) == (torch.uint8, torch.bool)
    assert cache.frame_number.dtype == np.int64


def mean_colours(pixels):
    return pixels.float().mean(dim=(2, 3))


def test_an_embedded_cache_holds_what_a_network_gave_of_each_frame():
    cache = cache_of(70)
    embedded = cache.embedded(mean_colours, torch.device("cpu"))
    torch.testing.assert_close(embedded.pixels, cache.pixels.float().mean(dim=(1, 2)))
    assert embedded.positive is cache.positive


def test_an_empty_share_can_be_embedded():
    assert len(cache_of(4, rows=slice(0, 0)).embedded(mean_colours, torch.device("cpu"))) == 0
