"""Some test frames as pictures, each with its label, prediction and probability written below.

Knows tables of predictions and pixels. Does not know where the pictures are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import simplejpeg
from PIL import Image, ImageDraw, ImageFont

from flipbatch.frames.thumbnails import load_thumbnails

_SIDE = 320
"""Pixels of a picture's longer side, without the caption."""

_FONT_SIZE, _LINES, _MARGIN = 15, 3, 4
_INK, _RIGHT, _WRONG = (255, 255, 255), (45, 50, 57), (155, 32, 32)
_QUALITY = 85


class CaptionedFrame(NamedTuple):
    """A picture.

    Attributes
    ----------
    jpeg : bytes
        A JPEG file, RGB.
    height, width : int
        Pixels.
    """

    jpeg: bytes
    height: int
    width: int


def captioned_frames(predictions: pa.Table, number: int) -> Iterator[CaptionedFrame]:
    """Yield frames from the least to the most probable flip, at even distances of rank.

    Parameters
    ----------
    predictions : pyarrow.Table
        `schema.PREDICTIONS` of labelled frames, all scored.
    number : int
        Of pictures; fewer where there are fewer frames, or frames that can't be read again.
    """
    ranked = predictions.sort_by([("flip_probability", "ascending"), ("uri", "ascending")])
    ranks = np.unique(np.linspace(0, ranked.num_rows - 1, min(number, ranked.num_rows)).round().astype(int))
    rows = ranked.take(pa.array(ranks, pa.int64())).to_pylist()
    for row, pixels in zip(rows, load_thumbnails([row["uri"] for row in rows], _SIDE), strict=True):
        if pixels is not None:
            yield _captioned(row, pixels)


def _captioned(row: dict[str, Any], pixels: np.ndarray) -> CaptionedFrame:
    height, width = pixels.shape[:2]
    strip = _LINES * (_FONT_SIZE + _MARGIN) + 2 * _MARGIN
    right = row["label"] == row["prediction"]
    picture = Image.new("RGB", (max(width, _SIDE // 2), height + strip), _RIGHT if right else _WRONG)
    picture.paste(Image.fromarray(pixels), (0, 0))
    draw = ImageDraw.Draw(picture)
    draw.multiline_text(
        (_MARGIN, height + _MARGIN),
        _caption(row),
        fill=_INK,
        font=ImageFont.load_default(_FONT_SIZE),
        spacing=_MARGIN,
    )
    data = simplejpeg.encode_jpeg(np.asarray(picture), quality=_QUALITY)
    return CaptionedFrame(data, picture.height, picture.width)


def _caption(row: dict[str, Any]) -> str:
    video = row["video_id"].rpartition("/")[2]
    return (
        f"label {row['label']}\npredicted {row['prediction']} {row['flip_probability']:.3f}\n"
        f"{video} frame {row['frame_number']}"
    )
