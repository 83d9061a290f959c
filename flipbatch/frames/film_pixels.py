"""A decoded frame of a film becomes pixels of a model's input, as a JPEG of it would.

A JPEG decoder averages blocks of 8 x 8 samples where the scale is one eighth; so do these functions, on the
planes of luma and chroma, before they are turned into colours. Nothing is computed at full size.

Knows planes, colour spaces and rotation. Does not know containers or numbers of frames. High dynamic range
is not tone-mapped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from flipbatch.frames.fitting import UPRIGHT, InputSize, place, plan_fit
from flipbatch.frames.rejection import check_pixels

Pixels = np.ndarray
"""uint8."""

_PLANAR = {"yuv420p", "yuvj420p"}
_BT709, _BT470BG, _BT601, _BT2020 = 1, 5, 6, 9
_FULL_RANGE = 2
_LUMA_WEIGHTS = {
    _BT709: (0.2126, 0.0722),
    _BT470BG: (0.299, 0.114),
    _BT601: (0.299, 0.114),
    _BT2020: (0.2627, 0.0593),
}
"""Of red and blue. Source: ITU-R BT.709-6, BT.601-7 and BT.2020-2; keys as in ITU-T H.273, table 4."""

# Exif orientations, by whether the shown x, and the shown y, grow against the stored axis that they follow.
_ALONG = {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}
_SIDEWAYS = {(False, False): 5, (True, False): 6, (True, True): 7, (False, True): 8}


def fit_frame(canvas: Pixels, frame: VideoFrame, size: InputSize) -> None:
    """Fit a frame into the input as `fitting` fits pictures: scaled, upright, centred.

    Parameters
    ----------
    canvas
        Filled in place: uint8 RGB (size.height, size.width, 3).
    frame
    size

    Raises
    ------
    RejectedError
        If the frame has too many pixels.
    """
    check_pixels(frame.height, frame.width)
    plan = plan_fit(frame.height, frame.width, orientation(frame), size)
    place(canvas, rgb_pixels(frame, plan.eighths), plan)


def orientation(frame: VideoFrame) -> int:
    """Return the Exif orientation of a frame, 1 to 8, by the film's matrix of display; the nearest one."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return UPRIGHT
    # The shown x is a x + c y, and the shown y is b x + d y, downwards (ISO/IEC 14496-12, section 6.2.2).
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _ALONG[a < 0, d < 0]
    return _SIDEWAYS[c < 0, b < 0]


def rgb_pixels(frame: VideoFrame, eighths: int = 8) -> Pixels:
    """Return a frame as stored, scaled by 1, 2, 4 or 8 eighths, rounded up to whole pixels.

    Returns
    -------
    ndarray
        uint8 RGB (height, width, 3).
    """
    planar = frame if frame.format.name in _PLANAR else frame.reformat(format="yuv420p")
    luma, *chroma = (_plane(plane) for plane in planar.planes)
    halvings = {1: 3, 2: 2, 4: 1, 8: 0}[eighths]
    luma = _halved(luma, halvings)
    height, width = luma.shape
    planes = [luma, *(_of_size(_halved(one, max(0, halvings - 1)), height, width) for one in chroma)]
    return cv2.transform(cv2.merge(planes), _to_rgb(frame))


def _plane(plane: Any) -> Pixels:
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _halved(plane: Pixels, times: int) -> Pixels:
    """Return the means of blocks of 2**times samples a side; the edge's samples fill a last block."""
    if not times:
        return plane
    block = 2**times
    bottom, right = -plane.shape[0] % block, -plane.shape[1] % block
    if bottom or right:
        plane = cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    # OpenCV's fast path: each halving rounds up, and adds 0.1 grey levels on average.
    for _ in range(times):
        plane = cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return plane


def _of_size(chroma: Pixels, height: int, width: int) -> Pixels:
    """Return a plane of chroma with one sample for each of luma."""
    if chroma.shape == (height, width):
        return chroma
    if chroma.shape[0] >= height and chroma.shape[1] >= width:
        return chroma[:height, :width]
    return cv2.resize(chroma, (2 * chroma.shape[1], 2 * chroma.shape[0]))[:height, :width]


def _to_rgb(frame: VideoFrame) -> NDArray[np.float32]:
    """Return the matrix (3, 4) from luma and chroma, 0 to 255, to red, green and blue."""
    space = int(frame.colorspace)  # FFmpeg, too, takes a film that does not say it for BT.601
    weights = _LUMA_WEIGHTS.get(space, _LUMA_WEIGHTS[_BT601])
    full = int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
    return _matrix(*weights, full)


@cache
def _matrix(red: float, blue: float, full: bool) -> NDArray[np.float32]:
    green = 1 - red - blue
    from_chroma = np.array(
        [
            [0, 2 * (1 - red)],
            [-2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [2 * (1 - blue), 0],
        ]
    )
    gains = (1.0, 1.0) if full else (255 / 219, 255 / 224)
    matrix = np.column_stack([np.full(3, gains[0]), from_chroma * gains[1]])
    offset = -matrix @ np.array([0 if full else 16, 128, 128])
    return np.column_stack([matrix, offset]).astype(np.float32)
