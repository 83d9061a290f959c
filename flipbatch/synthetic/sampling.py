"""Random scenes: the ranges and probabilities of everything that differs between videos.

Knows scenes and random numbers; knows no pixels, no files and no frame numbers.
"""

import numpy as np

from flipbatch.synthetic.scaled_random import ScaledRandom
from flipbatch.synthetic.scene import (
    Book,
    Camera,
    Color,
    Hand,
    Label,
    Light,
    Motion,
    Pose,
    Scene,
    Table,
    Turn,
    Vector,
)

SMALLEST_TURN, LARGEST_TURN = 32.0, 148.0
"""Bounds of the angle of a turning page at the start and the end of a clip, in degrees."""


def sample_scene(label: Label, place: ScaledRandom, clip: ScaledRandom) -> Scene:
    """Return the random scene of one video.

    Parameters
    ----------
    label
        Whether a page turns.
    place
        Random numbers for everything that is the same when one person films one book twice: camera, light,
        table, book, skin. The `flip` and the `notflip` video of one place differ in `clip` only, so that a
        model can't learn the label from the place.
    clip
        Random numbers for what happens in the video: the open pages, the turn, the hands.
    """
    book, turn = _sample_book(place), _sample_turn(clip)
    return Scene(
        label=label,
        camera=_sample_camera(book, place),
        light=_sample_light(place),
        table=_sample_table(book, place),
        book=book,
        skin=_sample_skin(place),
        sleeve=_sample_sleeve(place),
        first_page=int(clip.integers(1, 400)),
        turn=turn,
        hands=_sample_hands(label, book, turn, clip),
        exposure=float(clip.uniform(0.01, 0.045)),
        seed=_sample_seed(clip),
    )


def _sample_seed(rng: ScaledRandom) -> int:
    return int(rng.integers(2**31))


def _sample_book(rng: ScaledRandom) -> Book:
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
        seed=_sample_seed(rng),
    )


def _sample_turn(rng: ScaledRandom) -> Turn:
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


def _sample_camera(book: Book, rng: ScaledRandom) -> Camera:
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


def _sample_light(rng: ScaledRandom) -> Light:
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


def _sample_table(book: Book, rng: ScaledRandom) -> Table:
    base = rng.choice([80.0, 130.0, 180.0, 210.0], p=[0.1, 0.2, 0.3, 0.4])
    tint = np.array([1.0, 0.82, 0.62]) ** rng.uniform(0, 1) if base < 200 else np.ones(3)
    return Table(
        color=_color(np.clip(base * tint + rng.normal(0, 5, 3), 10, 235)),
        floor=_color(rng.uniform(8, 70) + rng.uniform(-6, 6, 3)),
        grain=float(rng.choice([0.0, 0.0, 0.02, 0.04]) * rng.uniform(0.5, 1.3)),
        edge=float(-book.page_height / 2 - rng.uniform(3, 25)),
        seed=_sample_seed(rng),
    )


def _sample_hands(label: Label, book: Book, turn: Turn, rng: ScaledRandom) -> tuple[Hand, ...]:
    """Return the resting and the moving hand; each may be missing."""
    moving_side = 1 if turn.start < turn.end else -1
    hands: list[Hand] = []
    if rng.random() < 0.45:
        hands.append(_sample_hand("rest", -moving_side, book, rng))
    if rng.random() < 0.6:
        motion: Motion = "follow" if label == "flip" else _sample_motion(rng)
        hands.append(_sample_hand(motion, moving_side, book, rng))
    return tuple(hands)


def _sample_motion(rng: ScaledRandom) -> Motion:
    """Return the motion of the second hand when no page turns: in most cases the motion of a turn.

    If that were rare, a hand over the middle of the book would predict `flip` as well as the page does.
    """
    chance = rng.random()
    if chance < 0.6:
        return "follow"
    return "cross" if chance < 0.85 else "rest"


def _sample_hand(motion: Motion, side: int, book: Book, rng: ScaledRandom) -> Hand:
    start = _sample_spot(side, book, rng)
    end = start if motion == "rest" else _sample_spot(rng.choice([-1, 1]), book, rng)
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
        seed=_sample_seed(rng),
    )


def _sample_spot(side: int, book: Book, rng: ScaledRandom) -> Vector:
    """Return the point where fingertips touch the page of `side`: more often low and near the outer edge."""
    x = side * book.page_width * rng.uniform(0.2, 1.05)
    y = book.page_height * rng.uniform(-0.48, 0.3)
    return float(x), float(y), max(book.thickness) + 0.7


def _sample_skin(rng: ScaledRandom) -> Color:
    """Return a skin colour between light and dark."""
    light, dark = np.array([238.0, 190.0, 165.0]), np.array([105.0, 66.0, 48.0])
    depth = rng.uniform(0, 1) ** 1.3
    return _color(light + depth * (dark - light) + rng.normal(0, 5, 3))


def _sample_sleeve(rng: ScaledRandom) -> Color | None:
    return _color(rng.uniform(15, 210, 3)) if rng.random() < 0.5 else None


def _color(values: np.ndarray) -> Color:
    return float(values[0]), float(values[1]), float(values[2])


def _vector(values: np.ndarray) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])
