"""One random video as plain numbers: camera, light, table, book, turning page and hands.

Everything is measured in centimetres on the table: x to the right, y away from the reader, z up. The spine
lies on the y axis, the middle of the book at the origin. Time runs from 0 to 1 over the clip.
This module knows no pixels, no files and no frame numbers.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Label = Literal["flip", "notflip"]
Pose = Literal["flat", "spread", "relaxed", "point"]
Motion = Literal["rest", "cross", "follow"]
Vector = tuple[float, float, float]
Color = tuple[float, float, float]

SMALLEST_TURN, LARGEST_TURN = 32.0, 148.0


@dataclass(frozen=True)
class Camera:
    """A phone held over the table.

    Attributes
    ----------
    position, target
        Where the lens is, and the point it looks at, in cm.
    roll
        Turn about the viewing axis, radians.
    focal
        Focal length as a fraction of the frame's height.
    shake
        Largest displacement by the unsteady hand, as a fraction of the frame's width.
    phases
        Where each of the shake's three oscillations (x, y, roll) starts, radians.
    """

    position: Vector
    target: Vector
    roll: float
    focal: float
    shake: float
    phases: Vector


@dataclass(frozen=True)
class Light:
    """What lights the table, and what the phone's sensor makes of it.

    Attributes
    ----------
    direction
        Unit vector from the table to the light.
    ambient
        Share of the light that comes from everywhere, 0 to 1.
    gains
        Brightness of the red, green and blue channel: exposure times colour temperature.
    falloff_angle, falloff
        Direction (radians) and strength (0 to 1) of a slow change of brightness over the frame.
    patch_angle, patch_offset, patch_gain, patch_softness
        The straight edge of a window's light or of a shadow across the frame.
    vignette, defocus, noise
        Darkening of the corners (0 to 1), blur in pixels, sensor noise in grey levels.
    gamma
        Tone curve of the phone.
    """

    direction: Vector
    ambient: float
    gains: Color
    falloff_angle: float
    falloff: float
    patch_angle: float
    patch_offset: float
    patch_gain: float
    patch_softness: float
    vignette: float
    defocus: float
    noise: float
    gamma: float


@dataclass(frozen=True)
class Book:
    """An open book; lengths in cm.

    Attributes
    ----------
    page_width, page_height
        Size of one page.
    thickness
        Height of the left and the right stack of pages.
    hump
        Steepness (radians) with which resting pages rise out of the gutter.
    paper, ink, cover
        Colours.
    font_size, picture_share
        Letter height in cm; how likely a block on a page is a picture.
    seed
        Chooses what is printed on the pages.
    """

    page_width: float
    page_height: float
    thickness: tuple[float, float]
    hump: tuple[float, float]
    paper: Color
    ink: Color
    cover: Color
    font_size: float
    picture_share: float
    seed: int


@dataclass(frozen=True)
class Table:
    """The surface under the book: `grain` is how strongly its texture shows, `edge` the y where it ends."""

    color: Color
    floor: Color
    grain: float
    edge: float
    seed: int


@dataclass(frozen=True)
class Turn:
    """How a page moves from the right stack (0 degrees) to the left one (180 degrees).

    Attributes
    ----------
    start, end
        Angle of the page at time 0 and 1, in degrees.
    bend
        How much the sheet curls between spine and outer edge, in degrees; the sign says to which side.
    twist
        How far the upper corner runs ahead of the lower one, in degrees.
    """

    start: float
    end: float
    bend: float
    twist: float

    def angle(self, time: float) -> float:
        """Angle of the page at `time`, in degrees: starts and stops gently."""
        eased = 0.5 * time + 0.5 * time * time * (3 - 2 * time)
        return self.start + (self.end - self.start) * eased


@dataclass(frozen=True)
class Hand:
    """One hand with its forearm.

    Attributes
    ----------
    side
        -1 for a left hand, +1 for a right one.
    pose, motion
        What the fingers do; whether the hand rests, moves across, or goes where a turning page would.
    start, end
        Where its fingertips are at time 0 and 1 (the same when it rests), in cm.
    heading
        Direction from wrist to fingers, radians from the x axis.
    grasp
        How far along the page's outer edge a following hand reaches, 0 (lower corner) to 1 (upper corner).
    length
        Wrist to middle fingertip, cm.
    sleeve_start
        How far below the wrist the sleeve begins, cm.
    seed
        Chooses the small differences between hands.
    """

    side: int
    pose: Pose
    motion: Motion
    start: Vector
    end: Vector
    heading: float
    grasp: float
    length: float
    sleeve_start: float
    seed: int


@dataclass(frozen=True)
class Scene:
    """One video.

    Attributes
    ----------
    label
        A page is in the air in `flip` only.
    camera, light, table, book
        The place.
    skin, sleeve
        Colours of the hands (no sleeve: None).
    first_page
        Number of the left page; the page in the air and the right page follow.
    turn, hands
        The path of the page, and of hands that follow it with or without a page; the hands.
    exposure
        How long the shutter is open, as a share of the clip.
    seed
        Chooses the noise.
    """

    label: Label
    camera: Camera
    light: Light
    table: Table
    book: Book
    skin: Color
    sleeve: Color | None
    first_page: int
    turn: Turn
    hands: tuple[Hand, ...]
    exposure: float
    seed: int


class ScaledRandom:
    """A generator whose draws keep nearer to the middle of their range.

    Parameters
    ----------
    rng
        Where the draws come from.
    variety
        1 leaves them as they are, 0 makes every one the middle.
    """

    def __init__(self, rng: np.random.Generator, variety: float) -> None:
        self._rng, self._variety = rng, variety
        self.choice, self.integers, self.random = rng.choice, rng.integers, rng.random

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:
        """Draw as `numpy.random.Generator.uniform`, `variety` times as far from the middle."""
        middle = (low + high) / 2
        return middle + self._variety * (self._rng.uniform(low, high, size) - middle)

    def normal(self, mean: float, deviation: float, size: int | None = None) -> Any:
        """Draw as `numpy.random.Generator.normal`, `variety` times as far from the mean."""
        return self._rng.normal(mean, self._variety * deviation, size)


def draw_scene(label: Label, place: ScaledRandom, clip: ScaledRandom) -> Scene:
    """Draw one video.

    Parameters
    ----------
    label
        Whether a page turns.
    place
        Draws what stays as it is when the same person films the same book again: camera, light, table, book,
        skin. `flip` and `notflip` videos of one place differ in what happens only: the place can't tell them.
    clip
        Draws what happens: the opened pages, the turn, the hands.
    """
    book, turn = _draw_book(place), _draw_turn(clip)
    return Scene(
        label=label,
        camera=_draw_camera(book, place),
        light=_draw_light(place),
        table=_draw_table(book, place),
        book=book,
        skin=_draw_skin(place),
        sleeve=_draw_sleeve(place),
        first_page=int(clip.integers(1, 400)),
        turn=turn,
        hands=_draw_hands(label, book, turn, clip),
        exposure=float(clip.uniform(0.01, 0.045)),
        seed=_draw_seed(clip),
    )


def _draw_seed(rng: ScaledRandom) -> int:
    return int(rng.integers(2**31))


def _draw_book(rng: ScaledRandom) -> Book:
    width = rng.uniform(11.5, 17.5)
    paper_warmth = rng.uniform(0, 1) ** 1.5
    paper = np.array([250, 249, 246]) - paper_warmth * np.array([8, 20, 48]) - rng.uniform(0, 14)
    total, balance = rng.uniform(1.0, 3.2), rng.uniform(0.25, 0.75)
    return Book(
        page_width=float(width),
        page_height=float(width * rng.uniform(1.35, 1.52)),
        thickness=(float(total * balance), float(total * (1 - balance))),
        hump=(float(rng.uniform(0.15, 0.5)), float(rng.uniform(0.15, 0.5))),
        paper=_color(paper),
        ink=_color(rng.uniform(15, 75) + rng.uniform(-10, 10, 3)),
        cover=_color(rng.uniform(15, 220, 3)),
        font_size=float(rng.uniform(0.24, 0.42)),
        picture_share=float(rng.uniform(0, 0.3)),
        seed=_draw_seed(rng),
    )


def _draw_turn(rng: ScaledRandom) -> Turn:
    start = rng.uniform(SMALLEST_TURN, 55)
    end = rng.uniform(max(start + 60, 110), LARGEST_TURN)
    if rng.random() < 0.2:
        start, end = end, start
    return Turn(
        start=float(start),
        end=float(end),
        bend=float(rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(25, 100)),
        twist=float(rng.normal(0, 16)),
    )


def _draw_camera(book: Book, rng: ScaledRandom) -> Camera:
    tilt, azimuth = np.radians(rng.uniform(8, 26)), np.radians(rng.normal(0, 8))
    distance = 2 * book.page_width * rng.uniform(1.26, 1.46)
    target = np.array([rng.normal(0, 0.8), rng.normal(-1.5, 1.2), 0.0])
    away = np.array([np.sin(tilt) * np.sin(azimuth), -np.sin(tilt) * np.cos(azimuth), np.cos(tilt)])
    return Camera(
        position=_vector(target + distance * away),
        target=_vector(target),
        roll=float(rng.normal(0, 0.03)),
        focal=float(rng.uniform(0.72, 0.82)),
        shake=float(rng.uniform(0.0, 0.012)),
        phases=_vector(rng.uniform(0, 2 * np.pi, 3)),
    )


def _draw_light(rng: ScaledRandom) -> Light:
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(48, 80))
    flat = np.cos(elevation)
    warmth = rng.normal(0, 0.04)
    gains = rng.uniform(0.78, 1.06) * np.array([1 + warmth, 1.0, 1 - 1.4 * warmth])
    return Light(
        direction=(float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(np.sin(elevation))),
        ambient=float(rng.uniform(0.2, 0.5)),
        gains=_color(gains),
        falloff_angle=float(rng.uniform(0, 2 * np.pi)),
        falloff=float(rng.uniform(0, 0.25)),
        patch_angle=float(rng.uniform(0, 2 * np.pi)),
        patch_offset=float(rng.uniform(-0.45, 0.45)),
        patch_gain=float(rng.uniform(0.05, 0.2) if rng.random() < 0.4 else 0.0),
        patch_softness=float(rng.uniform(0.01, 0.15)),
        vignette=float(rng.uniform(0, 0.3)),
        defocus=float(max(0.0, rng.normal(0, 0.8))),
        noise=float(rng.uniform(1.0, 4.0)),
        gamma=float(rng.uniform(0.85, 1.2)),
    )


def _draw_table(book: Book, rng: ScaledRandom) -> Table:
    base = rng.choice([80.0, 130.0, 180.0, 210.0], p=[0.1, 0.2, 0.3, 0.4])
    tint = np.array([1.0, 0.82, 0.62]) ** rng.uniform(0, 1) if base < 200 else np.ones(3)
    return Table(
        color=_color(np.clip(base * tint + rng.normal(0, 5, 3), 10, 235)),
        floor=_color(rng.uniform(8, 70) + rng.uniform(-6, 6, 3)),
        grain=float(rng.choice([0.0, 0.0, 0.02, 0.04]) * rng.uniform(0.5, 1.3)),
        edge=float(-book.page_height / 2 - rng.uniform(3, 25)),
        seed=_draw_seed(rng),
    )


def _draw_hands(label: Label, book: Book, turn: Turn, rng: ScaledRandom) -> tuple[Hand, ...]:
    """Draw the moving hand and the resting one, each of which may be missing."""
    moving_side = 1 if turn.start < turn.end else -1
    hands: list[Hand] = []
    if rng.random() < 0.45:
        hands.append(_draw_hand("rest", -moving_side, book, rng))
    if rng.random() < 0.6:
        motion: Motion = "follow" if label == "flip" else _draw_motion(rng)
        hands.append(_draw_hand(motion, moving_side, book, rng))
    return tuple(hands)


def _draw_motion(rng: ScaledRandom) -> Motion:
    """Draw what the second hand does when no page turns: mostly just what it would do if one did.

    Were that rarer, a hand over the middle of the book would be as good a sign of `flip` as the page.
    """
    chance = rng.random()
    if chance < 0.6:
        return "follow"
    return "cross" if chance < 0.85 else "rest"


def _draw_hand(motion: Motion, side: int, book: Book, rng: ScaledRandom) -> Hand:
    start = _draw_spot(side, book, rng)
    end = start if motion == "rest" else _draw_spot(rng.choice([-1, 1]), book, rng)
    sideways = rng.uniform(5, 45) if motion == "rest" else rng.uniform(15, 80)
    poses: list[Pose] = ["flat", "spread", "relaxed", "point"]
    weights = [0.45, 0.1, 0.25, 0.2] if motion == "rest" else [0.3, 0.1, 0.5, 0.1]
    return Hand(
        side=side,
        pose=poses[int(rng.choice(len(poses), p=weights))],
        motion=motion,
        start=start,
        end=end,
        heading=float(np.pi / 2 + side * np.radians(sideways)),
        grasp=float(rng.uniform(0.0, 0.6)),
        length=float(rng.uniform(14.5, 17.5)),
        sleeve_start=float(rng.uniform(2, 14)),
        seed=_draw_seed(rng),
    )


def _draw_spot(side: int, book: Book, rng: ScaledRandom) -> Vector:
    """Draw where fingertips touch the book: on the page of `side`, rather low, rather far out."""
    x = side * book.page_width * rng.uniform(0.2, 1.05)
    y = book.page_height * rng.uniform(-0.48, 0.3)
    return float(x), float(y), max(book.thickness) + 0.7


def _draw_skin(rng: ScaledRandom) -> Color:
    """Draw a skin colour between light and dark."""
    light, dark = np.array([238.0, 190.0, 165.0]), np.array([105.0, 66.0, 48.0])
    depth = rng.uniform(0, 1) ** 1.3
    return _color(light + depth * (dark - light) + rng.normal(0, 5, 3))


def _draw_sleeve(rng: ScaledRandom) -> Color | None:
    return _color(rng.uniform(15, 210, 3)) if rng.random() < 0.5 else None


def _color(values: np.ndarray) -> Color:
    return float(values[0]), float(values[1]), float(values[2])


def _vector(values: np.ndarray) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])
