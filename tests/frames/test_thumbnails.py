"""Facts about `flipbatch.frames.thumbnails`."""

from __future__ import annotations

from pathlib import Path

from flipbatch.frames.thumbnails import load_thumbnails
from tests.conftest import FRAME_HEIGHT, FRAME_WIDTH, jpeg
from tests.films import film


def test_a_thumbnail_keeps_the_aspect_of_its_frame_and_has_no_bars(tmp_path: Path) -> None:
    (file := tmp_path / "v_1.jpg").write_bytes(jpeg(flip=True, seed=0))
    (pixels,) = load_thumbnails([str(file)], 160)
    assert pixels is not None
    assert pixels.shape == (160, 160 * FRAME_WIDTH // FRAME_HEIGHT, 3)


def test_a_frame_of_a_film_has_a_thumbnail(tmp_path: Path) -> None:
    (file := tmp_path / "film.mp4").write_bytes(film(20))
    pixels = list(load_thumbnails([f"{file}#frame=12", f"{file}#frame=3"], 64))
    assert [one is not None and max(one.shape) for one in pixels] == [64, 64]


def test_a_frame_that_cannot_be_decoded_has_none(tmp_path: Path) -> None:
    (file := tmp_path / "v_1.jpg").write_bytes(jpeg(flip=True, seed=0)[:500])
    assert list(load_thumbnails([str(file)], 64)) == [None]


def test_a_storage_that_fails_is_not_asked_for_the_rest(tmp_path: Path) -> None:
    (file := tmp_path / "v_1.jpg").write_bytes(jpeg(flip=True, seed=0))
    missing, uris = str(tmp_path / "v_2.jpg"), [str(file)] * 13
    assert sum(one is not None for one in load_thumbnails([*uris[:11], missing, *uris[11:]], 32)) == 11
    assert sum(one is not None for one in load_thumbnails(uris, 32)) == 13
