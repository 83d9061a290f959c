"""Parity of the fast path with the reference path: full decoding and torch in float32, on the same frames.

Measures the change of F1 and of probabilities that scaled decoding and the fast engine cause. Knows both
paths. Does not know a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageOps

from flipbatch import storage
from flipbatch.evaluation.counts import Counts
from flipbatch.frames.decode import PAD_COLOUR, InputSize
from flipbatch.frames.jpeg_native import Outcome, decode_eighth, native_size
from flipbatch.frames.load import load_frames
from flipbatch.models.bundle import Bundle
from flipbatch.models.predictor import Predictor, reference_engine
from flipbatch.schema import Label


def parity(bundle: Bundle, uris: Sequence[str], labels: Sequence[str | None]) -> dict[str, float | None]:
    """Compare the two paths.

    Parameters
    ----------
    bundle : Bundle
    uris : sequence of str
        (N,), frames that can be decoded.
    labels : sequence of str or None
        (N,); None is unknown.

    Returns
    -------
    dict
        ``f1_change``: absolute difference of F1 over the labelled frames; None if F1 is undefined on a path.
        ``largest_probability_change``: largest absolute difference of any frame, 0 to 1.
    """
    fast = Predictor(bundle).probabilities(load_frames(uris, [bundle.input_size])[bundle.input_size].pixels)
    whole = np.stack([decode_whole(storage.read(uri), bundle.input_size) for uri in uris])
    slow = Predictor(bundle, reference_engine(bundle)).probabilities(whole)
    known = np.array([label is not None for label in labels])
    truth = np.array([label == Label.FLIP for label in labels])[known]
    one, other = (Counts.of(truth, bundle.calibration.flips(path[known])).f1 for path in (fast, slow))
    return {
        "f1_change": None if one is None or other is None else abs(one - other),
        "largest_probability_change": float(np.abs(fast - slow).max()),
    }


def decode_whole(data: bytes, size: InputSize) -> npt.NDArray[np.uint8]:
    """Decode a picture at full size and average areas of pixels. Scaled decoding approximates this.

    Returns
    -------
    ndarray
        (height, width, 3), uint8, RGB.
    """
    image = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    shape = (size.width, size.height)
    return np.asarray(ImageOps.pad(image, shape, Image.Resampling.BOX, color=PAD_COLOUR))


def frames_with_other_pixels(uris: Sequence[str]) -> int:
    """Return how many frames the native decoder gives other pixels than simplejpeg, at one eighth.

    Frames that it does not take, and those of a single pixel at this scale, do not count.
    """
    return sum(_has_other_pixels(storage.read(uri)) for uri in uris)


def _has_other_pixels(data: bytes) -> bool:
    size = native_size(data)
    if size is None or max(size) <= 8:
        return False
    height, width = (-(-length // 8) for length in size)
    pixels = np.empty((height, width, 3), np.uint8)
    if decode_eighth(pixels, data) not in (Outcome.DECODED, Outcome.DECODED_WITH_ZEROS):
        return False
    return not np.array_equal(pixels, simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width))
