"""Captioned frames: which are chosen, and what their pictures show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg

from flipbatch.schema import PREDICTIONS
from flipbatch.tracking import captioned_frames as module
from flipbatch.tracking.captioned_frames import captioned_frames
from tests.conftest import write_frames


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Eight frames of rising probability, all labelled flip; those from 0.5 on are predicted so."""
    frames = write_frames(tmp_path_factory.mktemp("frames"), videos=2, frames=4)
    rows = [
        {
            "video_id": "0000",
            "frame_number": number,
            "uri": str(file),
            "label": "flip",
            "status": "ok",
            "flip_probability": number / 8,
            "prediction": "flip" if number >= 4 else "notflip",
        }
        for number, file in enumerate(sorted(Path(frames).rglob("flip/*.jpg")))
    ]
    return pa.Table.from_pylist(rows, PREDICTIONS)


def caption_colour(jpeg: bytes) -> tuple[int, ...]:
    return tuple(simplejpeg.decode_jpeg(jpeg)[-2, -2].tolist())


def test_frames_go_from_the_least_to_the_most_probable(predictions, monkeypatch) -> None:
    captions: list[str] = []
    caption = module._caption
    monkeypatch.setattr(module, "_caption", lambda row: captions.append(caption(row)) or captions[-1])
    assert len(list(captioned_frames(predictions, 3))) == 3
    assert captions[0] == "label flip\npredicted notflip 0.000\n0000 frame 0"
    assert [one.split()[4] for one in captions] == ["0.000", "0.500", "0.875"]


def test_a_wrong_prediction_is_red(predictions) -> None:
    *_, right = captioned_frames(predictions, 8)
    wrong = next(captioned_frames(predictions, 8))
    red, green, _ = caption_colour(wrong.jpeg)
    assert red > 2 * green
    assert max(caption_colour(right.jpeg)) < 90


def test_a_picture_has_the_size_that_it_says(predictions) -> None:
    (picture,) = captioned_frames(predictions, 1)
    pixels = simplejpeg.decode_jpeg(picture.jpeg)
    assert pixels.shape == (picture.height, picture.width, 3)
    assert np.ptp(pixels[:320]) > 100


@pytest.mark.parametrize(("wanted", "found"), [(0, 0), (8, 8), (20, 8)])
def test_no_more_frames_than_there_are(predictions, wanted: int, found: int) -> None:
    assert len(list(captioned_frames(predictions, wanted))) == found


def test_no_predictions_give_no_pictures() -> None:
    assert list(captioned_frames(PREDICTIONS.empty_table(), 5)) == []


def test_a_frame_that_is_gone_is_left_out(predictions, tmp_path: Path) -> None:
    gone = predictions.set_column(2, "uri", pa.array([str(tmp_path / "gone.jpg")] * 8))
    assert list(captioned_frames(gone, 4)) == []
