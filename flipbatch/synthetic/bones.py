"""The bones of a posed right hand with its forearm.

Coordinates are centimetres: the wrist is at the origin, the fingers point along +y, z is up.
Knows no pixels, no light and no position in the scene.
"""

from dataclasses import dataclass

import numpy as np

from flipbatch.synthetic.scene import Pose, Vector

BELOW = -30.0
"""The y at which the picture of a forearm ends."""

FINGERS = (
    ((-2.95, 8.6), 7.2, 0.92),
    ((-0.95, 9.2), 8.1, 0.95),
    ((1.1, 8.8), 7.5, 0.90),
    ((3.0, 7.7), 5.9, 0.80),
)
"""Knuckle (x, y), length and radius of the four fingers, from index to little finger."""
THUMB = ((-2.3, 2.2), (-4.6, 5.2), 5.6, 1.05)
"""Root (x, y), knuckle (x, y), length and radius of the thumb."""


@dataclass(frozen=True)
class Bone:
    """A capsule from `start` to `end`, whose radius goes from `thick` to `thin`."""

    start: Vector
    end: Vector
    thick: float
    thin: float


def finger_bones(index: int, pose: Pose, rng: np.random.Generator) -> list[Bone]:
    """Return the three bones of finger `index`: 0 is the index finger, 3 the little finger."""
    knuckle, length, radius = FINGERS[index]
    spread = {"flat": 3.0, "spread": 11.0, "relaxed": 4.0, "point": 2.0}[pose]
    direction = np.pi / 2 - np.radians((index - 1.3) * spread + rng.normal(0, 2.5))
    if pose == "point" and index > 0:
        length *= rng.uniform(0.42, 0.5)
    if pose == "relaxed":
        length *= rng.uniform(0.72, 0.92)
    droop = np.radians(rng.normal(-2 if index > 1 else 2, 3))
    return _chain((*knuckle, 1.0), direction, droop, length * rng.uniform(0.96, 1.04), radius)


def _chain(start: Vector, direction: float, droop: float, length: float, radius: float) -> list[Bone]:
    """Return three bones in a row; each is turned by `droop` (radians) against the one before."""
    bones: list[Bone] = []
    for share, thick, thin, end_height in (
        (0.45, 1.0, 0.9, 1.25),
        (0.3, 0.93, 0.83, 0.9),
        (0.25, 0.84, 0.7, 0.5),
    ):
        step = share * length
        end = (start[0] + step * np.cos(direction), start[1] + step * np.sin(direction), end_height)
        bones.append(Bone(start, end, thick * radius, thin * radius))
        start, direction = end, direction + droop
    return bones


def thumb_bones(pose: Pose, rng: np.random.Generator) -> list[Bone]:
    """Return the metacarpal bone of the thumb and its two finger bones."""
    root, knuckle, length, radius = THUMB
    outward = {"flat": 20, "spread": 42, "relaxed": 14, "point": 5}[pose] + rng.normal(0, 6)
    direction = np.pi / 2 + np.radians(outward)
    start: Vector = (*knuckle, 0.6)
    bones = [Bone((*root, 0.5), start, 1.75, 1.25)]
    for share, thick, thin in ((0.52, 1.12, 0.98), (0.48, 1.02, 0.78)):
        step = share * length
        end = (start[0] + step * np.cos(direction), start[1] + step * np.sin(direction), 0.5)
        bones.append(Bone(start, end, thick * radius, thin * radius))
        start, direction = end, direction - np.radians(rng.uniform(0, 18))
    return bones


def palm_bones() -> list[Bone]:
    """Return the bones of the back of the hand and of its outer edge."""
    wrist = ((-1.4, 0.6), (-0.5, 0.6), (0.5, 0.6), (1.4, 0.5))
    bones = [
        Bone((*start, 0.6), (*knuckle, 1.0), 1.6, 1.1)
        for start, (knuckle, _, _) in zip(wrist, FINGERS, strict=True)
    ]
    return [*bones, Bone((1.2, 0.5, 0.4), (3.1, 6.0, 0.4), 1.7, 1.2)]


def forearm_bones() -> list[Bone]:
    """Return the two bones of the forearm."""
    return [
        Bone((-0.9, 0.8, 0.4), (-1.8, BELOW - 4, 1.4), 1.95, 3.2),
        Bone((0.9, 0.8, 0.4), (1.8, BELOW - 4, 1.4), 1.95, 3.2),
    ]
