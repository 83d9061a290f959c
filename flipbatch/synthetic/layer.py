"""Transparent layers: paper and hands are drawn into them, blurred, and put on a canvas.

Knows pixels and the camera's projection; knows no books, labels or time.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from flipbatch.synthetic.geometry import Projection, Sheet

SUBPIXEL_BITS = 4
"""Binary digits after the point in coordinates that OpenCV fills polygons by."""


@dataclass(frozen=True)
class Layer:
    """A transparent part of a picture and its position.

    Attributes
    ----------
    image
        Premultiplied uint8 RGBA of shape (height, width, 4).
    left, top
        Position of its upper left corner on the canvas, in pixels.
    """

    image: np.ndarray
    left: int
    top: int


def lay_down(canvas: np.ndarray, layer: Layer) -> None:
    """Put a layer on an RGB canvas, in place. Parts outside the canvas are cut off."""
    height, width = layer.image.shape[:2]
    left, top = max(0, -layer.left), max(0, -layer.top)
    right, bottom = min(width, canvas.shape[1] - layer.left), min(height, canvas.shape[0] - layer.top)
    if right <= left or bottom <= top:
        return
    piece = layer.image[top:bottom, left:right]
    view = canvas[layer.top + top : layer.top + bottom, layer.left + left : layer.left + right]
    uncovered = 255 - piece[..., 3]
    below = cv2.multiply(view, cv2.merge([uncovered, uncovered, uncovered]), scale=1 / 255)
    cv2.add(below, cv2.cvtColor(piece, cv2.COLOR_RGBA2RGB), dst=view)


def darken(canvas: np.ndarray, covered: np.ndarray, strength: float) -> None:
    """Darken an RGB canvas, in place, by a smaller mask of the shadow: 255 removes the share `strength`."""
    lit = cv2.resize(cv2.convertScaleAbs(covered, alpha=-strength, beta=255), canvas.shape[1::-1])
    cv2.multiply(canvas, cv2.merge([lit, lit, lit]), dst=canvas, scale=1 / 255)


def bounding_window(points: np.ndarray, shape: tuple[int, ...], pad: int) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom of the points' bounding box, enlarged by `pad` pixels.

    The box is cut off `pad` pixels outside the canvas. None means that no part of it is left.
    """
    low = np.floor(points.reshape(-1, 2).min(axis=0)).astype(int) - pad
    high = np.ceil(points.reshape(-1, 2).max(axis=0)).astype(int) + pad + 1
    left, top = max(-pad, int(low[0])), max(-pad, int(low[1]))
    right, bottom = min(shape[1] + pad, int(high[0])), min(shape[0] + pad, int(high[1]))
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def draw_sheet(
    sheet: Sheet,
    front: np.ndarray,
    back: np.ndarray,
    projection: Projection,
    shape: tuple[int, ...],
    pad: int,
) -> Layer | None:
    """Draw a bent sheet strip by strip, the farthest first; None if it is outside the canvas.

    Parameters
    ----------
    sheet
        Position of the paper.
    front, back
        Its two printed sides, shaded, uint8 RGB. The spine is at the left of `front` and at the right of
        `back`.
    projection, shape
        The camera and the shape of the canvas.
    pad
        Width of an empty border for blurring, in pixels.
    """
    corners = projection.project(sheet.strips)
    window = bounding_window(corners, shape, pad)
    if window is None:
        return None
    left, top, right, bottom = window
    corners = corners - (left, top)
    image = np.zeros((bottom - top, right - left, 4), np.uint8)
    order = np.argsort(-projection.distance(sheet.strips.mean(axis=1)))
    for index in order.tolist():
        _draw_strip(image, corners[index], index, len(order), front, back)
    return Layer(image, left, top)


def _draw_strip(
    image: np.ndarray, corners: np.ndarray, index: int, count: int, front: np.ndarray, back: np.ndarray
) -> None:
    """Draw the side of one strip that faces the camera."""
    area = _signed_area(corners)
    window = bounding_window(corners, image.shape, 0)
    if abs(area) < 0.5 or window is None:
        return
    texture, mirrored = (front, False) if area > 0 else (back, True)
    left, top, right, bottom = window
    target = (corners - (left, top)).astype(np.float32)
    source = _strip_in_texture(index, count, texture, mirrored)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (right - left, bottom - top)
    paper = cv2.warpPerspective(
        texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((bottom - top, right - left), np.uint8)
    polygon = np.round(target * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(mask, polygon, 255, cv2.LINE_8, SUBPIXEL_BITS)
    cv2.copyTo(cv2.merge([paper, mask]), mask, image[top:bottom, left:right])


def _strip_in_texture(index: int, count: int, texture: np.ndarray, mirrored: bool) -> np.ndarray:
    """Return the strip's corners in its texture, in the order of `Sheet.strips`."""
    height, width = texture.shape[:2]
    inner, outer = index / count * width, (index + 1) / count * width
    if mirrored:
        inner, outer = width - inner, width - outer
    return np.array([[inner, 0], [outer, 0], [outer, height], [inner, height]], np.float32) - 0.5


def _signed_area(corners: np.ndarray) -> float:
    """Return twice the area of a quadrilateral, positive if its corners are in clockwise order."""
    first, second = corners[2] - corners[0], corners[3] - corners[1]
    return float(first[0] * second[1] - first[1] * second[0])


def soften_edges(layer: Layer) -> Layer:
    """Smooth the outline of a layer, which hard masks leave jagged."""
    return Layer(cv2.blur(layer.image, (2, 2)), layer.left, layer.top)


def smear(layer: Layer, movement: np.ndarray) -> Layer:
    """Blur along `movement` (x, y in pixels): each pass averages with a copy at half the last distance."""
    image, step = layer.image, np.asarray(movement, float) / 2
    while np.hypot(*step) >= 0.7:
        image = _averaged_with_shifted(image, round(step[0]), round(step[1]))
        step = step / 2
    return Layer(image, layer.left, layer.top)


def _averaged_with_shifted(image: np.ndarray, right: int, down: int) -> np.ndarray:
    """Average a picture with a copy moved by whole pixels. Pixels outside the picture are transparent."""
    height, width = image.shape[:2]
    top, left = max(0, down), max(0, right)
    bottom, edge = height + min(0, down), width + min(0, right)
    averaged = image >> 1
    here = averaged[top:bottom, left:edge]
    cv2.add(here, averaged[top - down : bottom - down, left - right : edge - right].copy(), dst=here)
    return averaged


def smear_outwards(layer: Layer, movement: np.ndarray, hinge: np.ndarray) -> Layer:
    """Blur a sheet that swings about the line `hinge` (two points): more with the distance from the line."""
    blurred = smear(layer, movement)
    if blurred.image is layer.image:
        return layer
    share = _distance_share(layer, hinge)
    mixed = layer.image + (blurred.image.astype(np.float32) - layer.image) * share[..., None]
    return Layer(mixed.astype(np.uint8), layer.left, layer.top)


def _distance_share(layer: Layer, hinge: np.ndarray) -> np.ndarray:
    """Return each pixel's distance from the hinge line, as a share of the largest one of a covered pixel."""
    along = hinge[1] - hinge[0]
    normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    height, width = layer.image.shape[:2]
    x = (np.arange(width) + layer.left - hinge[0, 0]) * normal[0]
    y = (np.arange(height) + layer.top - hinge[0, 1]) * normal[1]
    distance = np.abs(x[None, :] + y[:, None]).astype(np.float32)
    reach = float((distance * (layer.image[..., 3] > 0)).max())
    return np.minimum(distance / max(reach, 1.0) * 1.25, 1)
