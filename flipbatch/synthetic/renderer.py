"""Renders one moment of a scene as a phone films it.

The table, the book, the resting pages and the pictures of hands are drawn once per scene. The page in the
air, the hands, their shadows, the light and the shake are added for each frame. The same scene and time give
the same pixels. Knows no files and no frame numbers.
"""

from functools import cached_property

import cv2
import numpy as np

from flipbatch.synthetic.background import draw_background
from flipbatch.synthetic.geometry import Projection, Sheet, turning_sheet
from flipbatch.synthetic.hand import PIXELS_PER_CM, STANDARD_LENGTH, HandPicture, draw_hand
from flipbatch.synthetic.layer import (
    Layer,
    bounding_window,
    darken,
    draw_sheet,
    lay_down,
    smear,
    smear_outwards,
    soften_edges,
)
from flipbatch.synthetic.light import NEUTRAL, add_noise, light_map, shade_sheet, tone_curve
from flipbatch.synthetic.page import draw_page
from flipbatch.synthetic.scene import Hand, Scene

WIDTH, HEIGHT = 1080, 1920
SCALE = 2 / 3
"""Size of the canvas as a share of the frame's: scenes are drawn smaller and enlarged, which is faster."""
MARGIN = 20
"""Width of the canvas' border in pixels. Camera shake moves it into view."""
CANVAS_WIDTH, CANVAS_HEIGHT = round(WIDTH * SCALE), round(HEIGHT * SCALE)
CANVAS_SHAPE = (CANVAS_HEIGHT + 2 * MARGIN, CANVAS_WIDTH + 2 * MARGIN, 3)
SHADOW_SCALE = 4
"""Shadows are drawn at a quarter of the canvas' size."""
STRAIGHT_UP = np.array([0.0, 0.0, 1.0])


class SceneRenderer:
    """Renders moments of one scene.

    Parameters
    ----------
    scene
        The scene that is filmed.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._projection = Projection(scene.camera, CANVAS_WIDTH, CANVAS_HEIGHT, MARGIN)
        self._hands = [(hand, draw_hand(hand, scene)) for hand in scene.hands]
        self._still = draw_background(scene, self._projection, CANVAS_SHAPE)
        self._light = light_map(scene.light, self._still.shape[1], self._still.shape[0])
        self._tones = tone_curve(scene.light)
        self._light_direction = np.array(scene.light.direction)

    def render(self, time: float) -> np.ndarray:
        """Render the moment `time`, 0 to 1.

        Returns
        -------
        numpy.ndarray
            uint8 RGB of shape (1920, 1080, 3).

        Raises
        ------
        ValueError
            If `time` is out of range.
        """
        if not 0 <= time <= 1:
            raise ValueError(f"The time in a clip must be between 0 and 1, not {time}.")
        canvas = self._still.copy()
        self._cast_shadows(canvas, time)
        for layer in self._layers(time):
            lay_down(canvas, layer)
        cv2.multiply(canvas, self._light, dst=canvas, scale=1 / NEUTRAL)
        cv2.LUT(canvas, self._tones, dst=canvas)
        return self._film(canvas, time)

    def _layers(self, time: float) -> list[Layer]:
        """Return the layers of the moving things; each covers the ones before it."""
        hands = [(hand, self._hand_layer(hand, picture, time)) for hand, picture in self._hands]
        drawn = [(hand, layer) for hand, layer in hands if layer is not None]
        page = self._page_layer(time)
        if page is None:
            return [layer for _, layer in drawn]
        behind = [layer for hand, layer in drawn if self._is_behind_page(hand, time)]
        front = [layer for hand, layer in drawn if not self._is_behind_page(hand, time)]
        return [*behind, page, *front]

    def _is_behind_page(self, hand: Hand, time: float) -> bool:
        """Return whether the page hides the hand, which pushes the page from behind or rests below it."""
        angle = self._scene.turn.angle(time)
        if hand.motion != "follow":
            return True
        return angle < 95 if hand.side > 0 else angle > 85

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """The print on the two sides of the page in the air."""
        book, first = self._scene.book, self._scene.first_page
        return draw_page(book, first + 1), draw_page(book, first + 2)

    def _page_layer(self, time: float) -> Layer | None:
        """Draw the page in the air; None if there is none."""
        if self._scene.label == "notflip":
            return None
        sheet = self._sheet(time)
        front = shade_sheet(self._sides[0], sheet.slope, self._scene.light, upside=True)
        back = shade_sheet(self._sides[1], sheet.slope[:, ::-1], self._scene.light, upside=False)
        movement = self._movement(sheet.outer_edge(0.5), self._sheet(self._later(time)).outer_edge(0.5))
        pad = round(float(np.abs(movement).max())) + 3
        layer = draw_sheet(sheet, front, back, self._projection, self._still.shape, pad)
        if layer is None:
            return None
        hinge = self._projection.project(np.stack([sheet.upper[0], sheet.lower[0]]))
        return smear_outwards(soften_edges(layer), movement, hinge)

    def _hand_layer(self, hand: Hand, picture: HandPicture, time: float) -> Layer | None:
        """Draw a hand at its position at `time`, blurred by its movement."""
        place, later = self._hand_place(hand, time), self._hand_place(hand, self._later(time))
        movement = self._movement(place, later)
        pad = round(float(np.abs(movement).max())) + 2
        corners = self._projection.project(_picture_corners(hand, picture, place))
        window = bounding_window(corners, self._still.shape, pad)
        if window is None:
            return None
        left, top, right, bottom = window
        image = _warp(picture.image, corners - (left, top), (right - left, bottom - top))
        return smear(Layer(image, left, top), movement)

    def _hand_place(self, hand: Hand, time: float) -> np.ndarray:
        """Return the position of the hand's fingertips, in cm."""
        if hand.motion == "follow":
            tip = self._sheet(time).outer_edge(hand.grasp)
            inwards = np.array([-0.8 * np.sign(tip[0]), 0.0, 0.0])
            return tip + inwards
        share = time * time * (3 - 2 * time)
        start, end = np.array(hand.start), np.array(hand.end)
        lift = np.array([0, 0, 3.0 * np.sin(np.pi * share)]) if hand.motion == "cross" else 0.0
        return start + share * (end - start) + lift

    def _sheet(self, time: float) -> Sheet:
        return turning_sheet(self._scene.book, self._scene.turn, time)

    def _later(self, time: float) -> float:
        """Return the end of the exposure that starts at `time`."""
        return time + self._scene.exposure

    def _movement(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        first, second = self._projection.project(np.stack([before, after]))
        return np.clip(second - first, -70, 70)

    def _cast_shadows(self, canvas: np.ndarray, time: float) -> None:
        """Draw the shadows of the page in the air and of the hands on the canvas, in place."""
        size = (canvas.shape[1] // SHADOW_SCALE, canvas.shape[0] // SHADOW_SCALE)
        covered = np.zeros((size[1], size[0]), np.uint8)
        for hand, picture in self._hands:
            self._cast_hand(covered, hand, picture, time)
        if self._scene.label == "flip":
            self._cast_page(covered, time)
        darken(canvas, cv2.GaussianBlur(covered, (0, 0), 4.0), 0.75 * (1 - self._scene.light.ambient))

    def _cast_page(self, covered: np.ndarray, time: float) -> None:
        """Add the page's shadow to a mask: full for the light, half for the light of the ceiling."""
        strips = self._sheet(time).strips
        for direction, strength in ((STRAIGHT_UP, 128), (self._light_direction, 255)):
            shadow = np.zeros_like(covered)
            for strip in self._on_ground(strips, direction):
                cv2.fillConvexPoly(shadow, np.round(strip).astype(np.int32), strength)
            np.maximum(covered, shadow, out=covered)

    def _cast_hand(self, covered: np.ndarray, hand: Hand, picture: HandPicture, time: float) -> None:
        corners = _picture_corners(hand, picture, self._hand_place(hand, time) + STRAIGHT_UP)
        alpha = np.ascontiguousarray(picture.image[..., 3])
        thrown = self._on_ground(corners, self._light_direction)
        shadow = _warp(alpha, thrown, (covered.shape[1], covered.shape[0]))
        np.maximum(covered, shadow, out=covered)

    def _on_ground(self, points: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Return the shadows of points in light from `direction`, in pixels of the shadow mask."""
        ground = float(np.mean(self._scene.book.thickness))
        height = np.maximum(points[..., 2:] - ground, 0)
        thrown = points - height / direction[2] * direction
        return self._projection.project(thrown) / SHADOW_SCALE

    def _film(self, canvas: np.ndarray, time: float) -> np.ndarray:
        """Blur, shake, enlarge and add noise, as lens, hand and sensor do."""
        light = self._scene.light
        if light.defocus > 0.3:
            canvas = cv2.GaussianBlur(canvas, (0, 0), light.defocus * SCALE)
        image = cv2.warpAffine(canvas, self._shake(time), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        add_noise(image, light, np.random.default_rng([self._scene.seed, round(time * 1e6)]))
        return image

    def _shake(self, time: float) -> np.ndarray:
        """Return the affine map from canvas to frame at `time`."""
        camera = self._scene.camera
        swing = [
            np.sin(2 * np.pi * speed * time + phase)
            for speed, phase in zip((1.3, 0.9, 0.7), camera.phases, strict=True)
        ]
        degrees = 0.25 * camera.shake / 0.012 * swing[2]
        middle = (self._still.shape[1] / 2, self._still.shape[0] / 2)
        matrix = cv2.getRotationMatrix2D(middle, degrees, 1 / SCALE)
        offset = camera.shake * WIDTH * np.array(swing[:2])
        matrix[:, 2] += np.array([WIDTH / 2, HEIGHT / 2]) - middle + offset
        return matrix


def _picture_corners(hand: Hand, picture: HandPicture, place: np.ndarray) -> np.ndarray:
    """Return the corners of a hand's picture in cm, with its anchor at `place`."""
    height, width = picture.image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - picture.anchor
    corners *= hand.length / STANDARD_LENGTH / PIXELS_PER_CM
    forward = np.array([np.cos(hand.heading), np.sin(hand.heading), 0.0])
    right = np.array([forward[1], -forward[0], 0.0])
    return place + corners[:, :1] * right - corners[:, 1:] * forward


def _warp(image: np.ndarray, corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Warp a picture so that its corners are at `corners`. The rest is transparent."""
    height, width = image.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    return cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR)
