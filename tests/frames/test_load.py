"""Facts about `flipbatch.frames.load`."""

from __future__ import annotations

import numpy as np
import pytest

from flipbatch import storage
from flipbatch.frames import load as module
from flipbatch.frames.decode import InputSize, decode
from flipbatch.frames.load import load_frames
from flipbatch.schema import Status
from tests.conftest import jpeg

SIZE = InputSize(60, 34)


@pytest.fixture
def folder(tmp_path):
    """Files of every status, named after it."""
    data = jpeg(flip=True, seed=1)
    for name, content in {
        "ok_1.jpg": data,
        "ok_2.jpg": jpeg(flip=False, seed=2),
        "corrupt.jpg": data[: len(data) // 2],
        "empty.jpg": b"",
        "unsupported.jpg": b"GIF89a and some more bytes",
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "directory.jpg").mkdir()
    return tmp_path


def load(folder, *names, size=SIZE):
    return load_frames([f"{folder}/{name}" for name in names], [size])[size]


def test_frames_have_the_order_of_their_uris(folder):
    names = ["ok_2.jpg", "ok_1.jpg", "ok_2.jpg"]
    loaded = load(folder, *names)
    for pixels, name in zip(loaded.pixels, names, strict=True):
        assert np.array_equal(pixels, np.asarray(decode((folder / name).read_bytes(), SIZE)))
    assert loaded.pixels.shape == (3, 60, 34, 3)
    assert loaded.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("none.jpg", Status.MISSING, "there is no such file"),
        ("directory.jpg", Status.UNREADABLE, "[Errno 21] Is a directory"),
        ("corrupt.jpg", Status.CORRUPT, ""),
        ("empty.jpg", Status.CORRUPT, "the file is empty"),
        ("unsupported.jpg", Status.UNSUPPORTED, "a GIF"),
        ("\0.jpg", Status.UNREADABLE, "embedded null byte"),
        ("ok_1.jpg/x_1.jpg", Status.UNREADABLE, "it is not a directory"),
    ],
)
def test_a_bad_frame_is_a_status_with_its_reason(folder, name, status, error):
    loaded = load(folder, name)
    assert loaded.status == [status]
    assert str(loaded.error[0]).startswith(error)
    assert loaded.error[0]


def test_a_frame_of_too_many_bytes_is_too_large_and_not_read_whole(folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    monkeypatch.setattr("flipbatch.frames.decode.MAX_BYTES", 10)
    loaded = load(folder, "ok_1.jpg")
    assert loaded.status == [Status.TOO_LARGE]
    assert str(loaded.error[0]).startswith("11 bytes; at most 10 are read")


def test_a_bad_frame_does_not_affect_its_neighbours(folder):
    loaded = load(folder, "ok_1.jpg", "corrupt.jpg", "none.jpg", "ok_2.jpg")
    assert loaded.ok.tolist() == [True, False, False, True]
    assert [error is None for error in loaded.error] == [True, False, False, True]
    assert np.array_equal(loaded.pixels[3], load(folder, "ok_2.jpg").pixels[0])


def test_each_frame_is_decoded_for_every_size(folder):
    sizes = [SIZE, InputSize(30, 17)]
    loaded = load_frames([f"{folder}/ok_1.jpg", f"{folder}/none.jpg"], sizes)
    assert [loaded[size].pixels.shape for size in sizes] == [(2, 60, 34, 3), (2, 30, 17, 3)]
    assert all(loaded[size].status == [Status.OK, Status.MISSING] for size in sizes)


def test_remote_frames_give_the_same_pixels(folder):
    names = ["ok_1.jpg", "empty.jpg", "none.jpg"]
    for name in names[:2]:
        storage.write(f"memory://load-test/{name}", (folder / name).read_bytes())
    here, there = load(folder, *names), load("memory://load-test", *names)
    assert np.array_equal(here.pixels[0], there.pixels[0])
    assert (here.status, here.error) == (there.status, there.error)


def test_an_unknown_storage_is_a_status():
    loaded = load("nope://bucket", "a_1.jpg")
    assert loaded.status == [Status.UNREADABLE]
    assert "nope:// can't be opened here" in str(loaded.error[0])


def test_no_frames_give_no_pixels():
    loaded = load_frames([], [SIZE])[SIZE]
    assert loaded.pixels.shape == (0, 60, 34, 3)
    assert loaded.ok.tolist() == []
