"""Pictures within a page, as data URIs: plots in two themes, and thumbnails of frames.

Knows image files. Does not know models, metrics or markup.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from flipbatch.frames.thumbnails import load_thumbnails

_SIDE = 224
"""Pixels of a thumbnail's longer side: about twice those of the page, for displays of high density."""

_QUALITY = 78


@dataclass(frozen=True)
class Picture:
    """A plot.

    Attributes
    ----------
    light, dark : str
        Data URIs, one for each theme.
    text : str
        For readers without the picture.
    """

    light: str
    dark: str
    text: str


@dataclass(frozen=True)
class Thumbnail:
    """A frame as a small picture.

    Attributes
    ----------
    data : str
        Data URI of a JPEG file.
    height, width : int
        Pixels.
    """

    data: str
    height: int
    width: int


def data_uri(data: bytes, media_type: str) -> str:
    """Return a URI that contains a file."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def thumbnails(uris: Sequence[str]) -> dict[str, Thumbnail]:
    """Read frames again, and make a thumbnail of each; leave out those that can't be read."""
    unique = list(dict.fromkeys(uris))
    loaded = zip(unique, load_thumbnails(unique, _SIDE), strict=True)
    return {uri: _thumbnail(pixels) for uri, pixels in loaded if pixels is not None}


def _thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=_QUALITY)
    return Thumbnail(data_uri(data, "image/jpeg"), *pixels.shape[:2])
