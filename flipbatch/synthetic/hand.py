"""A hand with its forearm, seen from above, as a small shaded picture.

The bones become a height field, and the slopes of the field become shades. Knows bones, skin and light; does
not know the position of the hand in the scene.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from flipbatch.synthetic.bones import BELOW, Bone, finger_bones, forearm_bones, palm_bones, thumb_bones
from flipbatch.synthetic.scene import Color, Hand, Light, Pose, Scene, Vector

PIXELS_PER_CM = 13.0
LEFT, RIGHT, ABOVE = -9.5, 7.0, 19.5
"""Borders of the picture, in the bones' coordinates."""
STANDARD_LENGTH = 17.3
"""Distance from wrist to middle fingertip of the bones, in cm."""


@dataclass(frozen=True)
class HandPicture:
    """A hand as premultiplied RGBA.

    Attributes
    ----------
    image
        uint8 of shape (height, width, 4). The first row is at the fingertips, the last at the forearm.
    anchor
        The point that touches the paper, in pixels of the image.
    """

    image: np.ndarray
    anchor: tuple[float, float]


def draw_hand(hand: Hand, scene: Scene) -> HandPicture:
    """Draw a hand. A left hand is the mirror image of a right one."""
    rng = np.random.default_rng(hand.seed)
    fingers = [finger_bones(index, hand.pose, rng) for index in range(4)]
    thumb = thumb_bones(hand.pose, rng)
    back = [*palm_bones(), *forearm_bones(), thumb[0]]
    height, mask = _height_field(back, [bone for bones in [*fingers, thumb[1:]] for bone in bones])
    image = _shade(height, hand, scene, rng)
    for bones in [*fingers, thumb]:
        _draw_nail(image, bones[-1], scene.skin)
    _draw_creases(image, fingers)
    anchor = _to_pixels(_anchor(hand.pose, fingers))
    if hand.side < 0:
        image, anchor = image[:, ::-1], (image.shape[1] - 1 - anchor[0], anchor[1])
    return HandPicture(_premultiply(image, mask if hand.side > 0 else mask[:, ::-1]), anchor)


def _anchor(pose: Pose, fingers: list[list[Bone]]) -> tuple[float, float]:
    """Return the point that touches the paper.

    It is the tip of the index finger if the hand points, else the middle between index and middle finger.
    """
    index, middle = fingers[0][-1].end, fingers[1][-1].end
    if pose == "point":
        return index[0], index[1]
    return (index[0] + middle[0]) / 2, (index[1] + middle[1]) / 2


def _height_field(back: list[Bone], digits: list[Bone]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hand's height in cm and its coverage (0 to 1), each of shape (height, width)."""
    shape = _to_shape()
    height = np.full(shape, -1.0, np.float32)
    inside = np.full(shape, -1.0, np.float32)
    for bone in back:
        _raise(height, inside, bone, flatten=0.55)
    # Skin covers the back of the hand: its bones are blurred together before the fingers are added.
    height = cv2.GaussianBlur(height, (0, 0), 0.42 * PIXELS_PER_CM)
    for bone in digits:
        _raise(height, inside, bone, flatten=1.0)
    height = cv2.GaussianBlur(height, (0, 0), 0.09 * PIXELS_PER_CM)
    return height, np.clip(inside * PIXELS_PER_CM + 0.5, 0, 1)


def _raise(height: np.ndarray, inside: np.ndarray, bone: Bone, flatten: float) -> None:
    """Add a capsule to the height field and to the distances from the outline, both in place."""
    rows, columns = _window(bone, height.shape)
    x, y = _grid(rows, columns)
    along_x, along_y = bone.end[0] - bone.start[0], bone.end[1] - bone.start[1]
    share = ((x - bone.start[0]) * along_x + (y - bone.start[1]) * along_y) / (along_x**2 + along_y**2)
    share = np.clip(share, 0, 1)
    distance = np.hypot(x - bone.start[0] - share * along_x, y - bone.start[1] - share * along_y)
    radius = bone.thick + share * (bone.thin - bone.thick)
    middle = bone.start[2] + share * (bone.end[2] - bone.start[2])
    dome = middle + flatten * np.sqrt(np.maximum(radius**2 - distance**2, 0))
    covered = np.where(distance < radius, dome, -1.0)
    np.maximum(height[rows, columns], covered, out=height[rows, columns])
    np.maximum(inside[rows, columns], radius - distance, out=inside[rows, columns])


def _window(bone: Bone, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of the picture that a bone can cover."""
    reach = max(bone.thick, bone.thin) + 0.3
    xs, ys = (bone.start[0], bone.end[0]), (bone.start[1], bone.end[1])
    left, top = _to_pixels((min(xs) - reach, max(ys) + reach))
    right, bottom = _to_pixels((max(xs) + reach, min(ys) - reach))
    rows = slice(max(0, int(top)), min(shape[0], int(bottom) + 1))
    return rows, slice(max(0, int(left)), min(shape[1], int(right) + 1))


def _grid(rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    x = LEFT + np.arange(columns.start, columns.stop, dtype=np.float32) / PIXELS_PER_CM
    y = ABOVE - np.arange(rows.start, rows.stop, dtype=np.float32) / PIXELS_PER_CM
    return x[None, :], y[:, None]


def _to_pixels(point: tuple[float, float]) -> tuple[float, float]:
    return (point[0] - LEFT) * PIXELS_PER_CM, (ABOVE - point[1]) * PIXELS_PER_CM


def _to_shape() -> tuple[int, int]:
    return round((ABOVE - BELOW) * PIXELS_PER_CM), round((RIGHT - LEFT) * PIXELS_PER_CM)


def _shade(height: np.ndarray, hand: Hand, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Return the lit height field: float32 RGB of shape (height, width, 3)."""
    smooth = height * PIXELS_PER_CM
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    light, toward = scene.light, _light_in_hand(hand, scene.light)
    norm = np.sqrt(slope_x**2 + slope_y**2 + 1)
    facing = (toward[2] - slope_x * toward[0] - slope_y * toward[1]) / norm
    hollow = np.clip(cv2.GaussianBlur(height, (0, 0), 0.5 * PIXELS_PER_CM) - height, 0, 1)
    shade = light.ambient * (0.55 + 0.45 / norm) + (1 - light.ambient) * np.clip(facing, 0, 1) / toward[2]
    shade *= 1 - 0.6 * hollow
    return _paint(shade, hand, scene, rng)


def _light_in_hand(hand: Hand, light: Light) -> Vector:
    """Return the light's direction in the picture's axes: x right, y down, z up; mirrored for a left hand."""
    cos, sin = np.cos(hand.heading - np.pi / 2), np.sin(hand.heading - np.pi / 2)
    x, y, z = light.direction
    across, along = cos * x + sin * y, -sin * x + cos * y
    return hand.side * across, -along, z


def _paint(shade: np.ndarray, hand: Hand, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Return the colours of the shaded hand: slightly uneven skin, redder in the shade, and the sleeve."""
    mottle = cv2.resize(
        rng.normal(0, 1, (40, 14)).astype(np.float32), shade.shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    fine = cv2.GaussianBlur(rng.standard_normal(shade.shape, np.float32), (0, 0), 1.0)
    color = np.empty((*shade.shape, 3), np.float32)
    lit = np.clip(shade + 0.025 * mottle + 0.07 * fine, 0, 1.35)
    for channel, warmth in enumerate((0.78, 1.0, 1.12)):
        color[..., channel] = scene.skin[channel] * lit**warmth
    if scene.sleeve is not None:
        _dress(color, shade, scene.sleeve, hand.sleeve_start)
    return np.clip(color, 0, 255)


def _dress(color: np.ndarray, shade: np.ndarray, sleeve: Color, start: float) -> None:
    """Colour the sleeve in place: it starts `start` cm below the wrist."""
    row = int(_to_pixels((0, -start))[1])
    folds = 1 + 0.08 * np.sin(np.arange(color.shape[0] - row) / (0.55 * PIXELS_PER_CM))
    color[row:] = (shade[row:] * folds[:, None])[..., None] * np.array(sleeve, np.float32)
    color[row : row + 4] *= 0.55


def _draw_nail(image: np.ndarray, bone: Bone, skin: Color) -> None:
    """Draw the nail on the last bone of a finger, in place."""
    start, end = np.array(bone.start[:2]), np.array(bone.end[:2])
    along = (end - start) / np.linalg.norm(end - start)
    center = _to_pixels(tuple(end - 0.1 * along))
    axes = (round(0.86 * PIXELS_PER_CM * bone.thin), round(0.58 * PIXELS_PER_CM * bone.thin))
    angle = -np.degrees(np.arctan2(along[1], along[0]))
    nail = image.copy()
    color = [float(0.6 * value + 0.4 * other) for value, other in zip(skin, (250, 205, 195), strict=True)]
    cv2.ellipse(nail, (round(center[0]), round(center[1])), axes, angle, 0, 360, color, -1, cv2.LINE_AA)
    cv2.addWeighted(nail, 0.6, image, 0.4, 0, dst=image)


def _draw_creases(image: np.ndarray, fingers: list[list[Bone]]) -> None:
    """Darken the folds of the skin over the finger joints, in place."""
    folds = np.ones(image.shape[:2], np.float32)
    for bone in [bone for bones in fingers for bone in bones[1:]]:
        along = np.array(bone.end[:2]) - np.array(bone.start[:2])
        along /= np.linalg.norm(along)
        across = np.array([-along[1], along[0]]) * bone.thick * 0.55
        for offset in (-0.22, 0.0, 0.22):
            middle = np.array(bone.start[:2]) + offset * along
            ends = [_to_pixels(tuple(middle + sign * across)) for sign in (1, -1)]
            first, second = ((round(x), round(y)) for x, y in ends)
            cv2.line(folds, first, second, 0.8, 1, cv2.LINE_AA)
    image *= cv2.GaussianBlur(folds, (0, 0), 0.7)[..., None]


def _premultiply(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return premultiplied uint8 RGBA."""
    return np.dstack([image * mask[..., None], mask * 255]).astype(np.uint8)
