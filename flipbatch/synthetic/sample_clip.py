"""Random clips: what happens in the video of a place, which is the open pages, the turns and the hands.

Knows scenes and random numbers; knows no pixels, no files and no frame numbers.
"""

import numpy as np

from flipbatch.synthetic.mix import Mix
from flipbatch.synthetic.sample_place import (
    sample_aspect,
    sample_book,
    sample_camera,
    sample_film,
    sample_light,
    sample_seed,
    sample_skin,
    sample_sleeve,
    sample_surroundings,
)
from flipbatch.synthetic.scaled_random import ScaledRandom
from flipbatch.synthetic.scene import Book, Hand, Label, Motion, Pose, Scene, Turn, Vector


def sample_scene(label: Label, mix: Mix, place: ScaledRandom, clip: ScaledRandom) -> Scene:
    """Return the random scene of one video.

    Parameters
    ----------
    label
        Whether a page turns.
    mix
        Shares of what scenes show.
    place
        Random numbers for everything that is the same when one person films one book twice. The `flip` and
        the `notflip` video of one place differ in `clip` only, so that a model can't learn the label from the
        place.
    clip
        Random numbers for what happens in the video: the open pages, the turn, the hands.
    """
    mix = mix.as_usual() if place.random() < mix.usual else mix
    held, aspect = place.random() < mix.held, sample_aspect(mix, place)
    book = sample_book(mix, held, place)
    turns = _sample_turns(mix, clip)
    return Scene(
        label=label,
        aspect=aspect,
        camera=sample_camera(mix, held, aspect, book, place),
        film=sample_film(mix, place),
        light=sample_light(mix, place),
        place=sample_surroundings(mix, held, book, place),
        book=book,
        skin=sample_skin(place),
        sleeve=sample_sleeve(place),
        first_page=int(clip.integers(1, 400)),
        turns=turns,
        hands=_sample_hands(label, mix, held, book, turns[0], clip),
        exposure=float(clip.uniform(0.005, 0.1 if clip.random() < 0.5 * mix.hands else 0.05)),
        seed=sample_seed(clip),
    )


def _sample_turns(mix: Mix, rng: ScaledRandom) -> tuple[Turn, ...]:
    """Return the pages in the air: mostly one, of several each a little behind the other."""
    first = _sample_lift(rng) if rng.random() < mix.lifted else _sample_turn(rng)
    turns = [first]
    if rng.random() < mix.several:
        for _ in range(int(rng.integers(1, 4))):
            other = _sample_turn(rng)
            behind = turns[-1].start - float(rng.uniform(4, 30))
            turns.append(Turn(behind, behind + first.end - first.start, other.bend, first.curl, other.twist))
    return tuple(turns)


def _sample_turn(rng: ScaledRandom) -> Turn:
    """Return a page on its way from one side to the other."""
    start = rng.uniform(24, 62)
    end = rng.uniform(max(start + 50, 110), 158)
    bend = rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(10, 110)
    turn = Turn(
        start=float(start),
        end=float(end),
        bend=(float(bend), float(bend * rng.uniform(-0.9, 1.0))),
        curl=(float(rng.uniform(-15, 30)), float(rng.uniform(-40, 20))),
        twist=(float(rng.normal(0, 20)), float(rng.normal(0, 20))),
    )
    return _reversed(turn) if rng.random() < 0.25 else turn


def _sample_lift(rng: ScaledRandom) -> Turn:
    """Return a page that begins to lift at its outer edge or corner, or that lands."""
    corner = rng.choice([-1, 1]) * rng.uniform(0, 60)
    turn = Turn(
        start=float(rng.uniform(9, 16)),
        end=float(rng.uniform(25, 60)),
        bend=(float(rng.uniform(30, 120)), float(rng.uniform(10, 110))),
        curl=(float(rng.uniform(0, 70)), float(rng.uniform(-10, 60))),
        twist=(float(corner), float(corner * rng.uniform(0.2, 1.2))),
    )
    return _mirrored(turn) if rng.random() < 0.35 else turn


def _reversed(turn: Turn) -> Turn:
    """Return the turn backwards in time."""
    return Turn(turn.end, turn.start, _swap(turn.bend), _swap(turn.curl), _swap(turn.twist))


def _mirrored(turn: Turn) -> Turn:
    """Return a turn that ends on the left as this one starts on the right."""
    pairs = (_swap(pair) for pair in (turn.bend, turn.curl, turn.twist))
    bend, curl, twist = ((-first, -last) for first, last in pairs)
    return Turn(180 - turn.end, 180 - turn.start, bend, curl, twist)


def _swap(pair: tuple[float, float]) -> tuple[float, float]:
    return pair[1], pair[0]


def _sample_hands(
    label: Label, mix: Mix, held: bool, book: Book, turn: Turn, rng: ScaledRandom
) -> tuple[Hand, ...]:
    """Return resting, holding and moving hands; each may be missing."""
    moving_side = 1 if turn.start < turn.end else -1
    hands: list[Hand] = []
    if rng.random() < (0.9 if held else 0.45):
        holds = held or rng.random() < 0.4 * mix.hands
        hands.append(_sample_hand("rest", -moving_side, book, mix, rng, "hold" if holds else None))
    if rng.random() < 0.62:
        motion: Motion = "follow" if label == "flip" and rng.random() < 0.8 else _sample_motion(rng)
        hands.append(_sample_hand(motion, moving_side, book, mix, rng))
    if rng.random() < 0.35 * mix.hands:
        motions: list[Motion] = ["rest", "cross"]
        motion = motions[int(rng.integers(2))]
        hands.append(_sample_hand(motion, int(rng.choice([-1, 1])), book, mix, rng))
    return tuple(hands)


def _sample_motion(rng: ScaledRandom) -> Motion:
    """Return the motion of the second hand when no page turns: in most cases the motion of a turn.

    If that were rare, a hand over the middle of the book would predict `flip` as well as the page does.
    """
    chance = rng.random()
    if chance < 0.5:
        return "follow"
    return "cross" if chance < 0.85 else "rest"


def _sample_hand(
    motion: Motion, side: int, book: Book, mix: Mix, rng: ScaledRandom, pose: Pose | None = None
) -> Hand:
    poses: list[Pose] = ["flat", "spread", "relaxed", "point", "pinch"]
    weights = [0.42, 0.1, 0.25, 0.18, 0.05] if motion == "rest" else [0.22, 0.08, 0.4, 0.1, 0.2]
    drawn = poses[int(rng.choice(len(poses), p=weights))]
    start = _sample_edge(side, book, rng) if pose == "hold" else _sample_spot(side, book, rng)
    end = start if motion == "rest" else _sample_spot(int(rng.choice([-1, 1])), book, rng)
    sideways = rng.uniform(5, 50) if motion == "rest" else rng.uniform(10, 85)
    if rng.random() < 0.25 * mix.hands:
        sideways = rng.uniform(-100, 180)
    resting = motion == "rest" and pose != "hold"
    return Hand(
        side=side,
        pose=pose or drawn,
        motion=motion,
        start=start,
        end=end,
        heading=float(np.pi / 2 + side * np.radians(sideways)),
        pitch=float(np.radians(rng.uniform(0, 20) if resting else rng.uniform(-5, 45))),
        roll=float(np.radians(rng.normal(0, 8) if resting else rng.normal(0, 28))),
        grasp=float(rng.uniform(0.0, 1.0)),
        length=float(rng.uniform(14.5, 18.5)),
        sleeve_start=float(rng.uniform(2, 14)),
        seed=sample_seed(rng),
    )


def _sample_spot(side: int, book: Book, rng: ScaledRandom) -> Vector:
    """Return the point where fingertips touch the page of `side`: more often low and near the outer edge."""
    x = side * book.page_width * rng.uniform(0.15, 1.1)
    y = book.page_height * rng.uniform(-0.52, 0.42)
    return float(x), float(y), _height(side, abs(float(x)), book) + 0.8


def _sample_edge(side: int, book: Book, rng: ScaledRandom) -> Vector:
    """Return the point of a page where a thumb holds the book: near the outer or the lower edge."""
    if rng.random() < 0.5:
        x, y = rng.uniform(0.8, 0.98), rng.uniform(-0.5, 0.2)
    else:
        x, y = rng.uniform(0.02, 0.9), rng.uniform(-0.5, -0.38)
    x = side * book.page_width * x
    return float(x), float(book.page_height * y), _height(side, abs(float(x)), book) + 0.9


def _height(side: int, x: float, book: Book) -> float:
    """Return roughly the height of the resting page at a distance from the spine."""
    half = book.left if side < 0 else book.right
    return half.thickness + x * float(np.tan(np.radians(min(half.tilt, 60))))
