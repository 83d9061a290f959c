"""The bones of a posed right hand with its forearm.

Coordinates are centimetres: the wrist is at the origin, the fingers point along +y, the thumb is at -x, z is
up from the back of the hand. Knows no pixels, no light and no position in the scene.
"""

from dataclasses import dataclass

import numpy as np

from flipbatch.synthetic.scene import Pose, Vector

STANDARD_LENGTH = 17.3
"""Distance from wrist to middle fingertip of a flat hand, in cm."""
FOREARM = 28.0
"""Length of the forearm, in cm."""

FINGERS = (
    ((-2.95, 8.6), 7.2, 0.95),
    ((-0.95, 9.2), 8.1, 0.98),
    ((1.1, 8.8), 7.5, 0.93),
    ((3.0, 7.7), 5.9, 0.82),
)
"""Knuckle (x, y), length and radius of the four fingers, from index to little finger."""
THUMB = ((-2.3, 2.2), (-4.4, 5.0), 5.6, 0.98)
"""Root (x, y), knuckle (x, y), length and radius of the thumb."""

_FLEXION = {
    "flat": (2, 3, 3),
    "spread": (0, 2, 3),
    "relaxed": (14, 20, 14),
    "point": (2, 3, 3),
    "pinch": (28, 30, 16),
    "hold": (6, 20, 20),
}
"""Flexion of a finger's three joints in degrees."""
_CLOSED = (55.0, 75.0, 40.0)
"""Flexion of the fingers that are not used by a pointing or pinching hand."""
_SPREAD = {"flat": 3.0, "spread": 11.0, "relaxed": 4.0, "point": 2.0, "pinch": 2.0, "hold": 5.0}


@dataclass(frozen=True)
class Bone:
    """A capsule from `start` to `end`; its radius goes from `thick` to `thin`, `flat` squeezes its height."""

    start: Vector
    end: Vector
    thick: float
    thin: float
    flat: float = 1.0
    is_sleeve: bool = False


@dataclass(frozen=True)
class HandBones:
    """A posed hand.

    Attributes
    ----------
    bones
        All bones.
    contact
        The point that touches the paper.
    """

    bones: list[Bone]
    contact: Vector


def pose_hand(pose: Pose, sleeve_start: float | None, rng: np.random.Generator) -> HandBones:
    """Return the bones of a hand; its sleeve starts `sleeve_start` cm below the wrist, None is no sleeve."""
    fingers = [_finger(index, pose, rng) for index in range(4)]
    thumb = _thumb(pose, rng)
    bones = [bone for bones in [*fingers, thumb] for bone in bones]
    index, middle = np.array(fingers[0][-1].end), np.array(fingers[1][-1].end)
    contact = {
        "point": index,
        "pinch": (index + np.array(thumb[-1].end)) / 2,
        "hold": np.array(thumb[-1].end),
    }.get(pose, (index + middle) / 2)
    return HandBones([*bones, *_palm(), *_forearm(sleeve_start)], tuple(contact.tolist()))


def _finger(index: int, pose: Pose, rng: np.random.Generator) -> list[Bone]:
    """Return the three bones of finger `index`: 0 is the index finger, 3 the little finger."""
    knuckle, length, radius = FINGERS[index]
    yaw = np.pi / 2 - np.radians((index - 1.3) * _SPREAD[pose] + rng.normal(0, 2.5))
    used = index == 0 if pose == "point" else index < 2 or pose != "pinch"
    flexion = np.array(_FLEXION[pose] if used else _CLOSED) * rng.uniform(0.7, 1.3)
    return _chain((*knuckle, 0.3), yaw, flexion, length * rng.uniform(0.96, 1.04), radius)


def _chain(start: Vector, yaw: float, flexion: np.ndarray, length: float, radius: float) -> list[Bone]:
    """Return three bones in a row; each is bent down by its flexion (degrees) against the one before."""
    bones: list[Bone] = []
    for share, thick, thin, pitch in zip(
        (0.45, 0.3, 0.25), (1.0, 0.93, 0.84), (0.9, 0.83, 0.7), np.radians(np.cumsum(flexion)), strict=True
    ):
        step, flat = share * length, np.cos(pitch)
        end = (
            start[0] + step * flat * np.cos(yaw),
            start[1] + step * flat * np.sin(yaw),
            start[2] - step * np.sin(pitch),
        )
        bones.append(Bone(start, end, thick * radius, thin * radius))
        start = end
    return bones


def _thumb(pose: Pose, rng: np.random.Generator) -> list[Bone]:
    """Return the metacarpal bone of the thumb and its two finger bones."""
    root, knuckle, length, radius = THUMB
    outward = {"flat": 20, "spread": 42, "relaxed": 14, "point": 5, "pinch": -22, "hold": 8}[pose]
    yaw = np.pi / 2 + np.radians(outward + rng.normal(0, 6))
    pitch = {"pinch": 24.0, "relaxed": 10.0, "hold": -22.0}.get(pose, 2.0)
    start: Vector = (*knuckle, -0.2)
    chain = _chain(start, yaw, np.array([pitch, 4.0, 10.0]), length * 1.1, radius)[:2]
    return [Bone((*root, 0.0), start, 1.45, 1.15), *chain]


def _palm() -> list[Bone]:
    """Return the bones of the back of the hand and of its outer edge."""
    wrist = ((-1.4, 0.6), (-0.5, 0.6), (0.5, 0.6), (1.4, 0.5))
    bones = [
        Bone((*start, 0.0), (*knuckle, 0.3), 1.9, 1.35, flat=0.72)
        for start, (knuckle, _, _) in zip(wrist, FINGERS, strict=True)
    ]
    return [*bones, Bone((1.2, 0.5, 0.0), (3.0, 6.0, 0.0), 1.9, 1.3, flat=0.72)]


def _forearm(sleeve_start: float | None) -> list[Bone]:
    """Return the two bones of the forearm, and its sleeve."""
    bones = [Bone((x, 0.8, 0.0), (2 * x, -FOREARM, 0.0), 1.85, 3.1, flat=0.8) for x in (-0.8, 0.8)]
    if sleeve_start is None:
        return bones
    sleeve = Bone((0, -sleeve_start, 0), (0, -FOREARM - 3, 0), 3.7, 5.4, flat=0.85, is_sleeve=True)
    return [*bones, sleeve]
