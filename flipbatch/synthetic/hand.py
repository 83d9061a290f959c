"""A posed hand becomes triangles: capsules around its bones.

Knows bones, positions and light. Does not know pages and pixels.
"""

from __future__ import annotations

import numpy as np

from flipbatch.synthetic.atlas import Tile
from flipbatch.synthetic.bones import STANDARD_LENGTH, Bone, pose_hand
from flipbatch.synthetic.brightness import brightness
from flipbatch.synthetic.mesh import Mesh, grid_triangles, lit_surface
from flipbatch.synthetic.scene import Hand, Light

AROUND, ALONG = 8, 6
"""Number of corners around and along a capsule."""


class HandSurface:
    """The surface of a hand, which moves as a whole.

    Parameters
    ----------
    hand
    skin, sleeve
        Textures; None is no sleeve.
    """

    def __init__(self, hand: Hand, skin: Tile, sleeve: Tile | None) -> None:
        rng = np.random.default_rng(hand.seed)
        posed = pose_hand(hand.pose, hand.sleeve_start if sleeve is not None else None, rng)
        points, normals = _capsules(posed.bones)
        scale = hand.length / STANDARD_LENGTH
        mirror = np.array([hand.side, 1, 1])
        rotation = _rotation(hand)
        self._points = ((points - posed.contact) * mirror * scale) @ rotation.T
        self._normals = (normals * mirror) @ rotation.T
        triangles = grid_triangles(ALONG, AROUND + 1)
        starts = np.arange(len(posed.bones))[:, None, None] * (ALONG * (AROUND + 1))
        self._triangles = (triangles[None] + starts).reshape(-1, 3).astype(np.int32)
        unit = _unwrapped(posed.bones)
        clothed = np.repeat([bone.is_sleeve for bone in posed.bones], ALONG * (AROUND + 1))
        cloth = skin if sleeve is None else sleeve
        self._texture = np.where(clothed[:, None], cloth.positions(unit), skin.positions(unit))

    def at(self, place: np.ndarray, light: Light) -> Mesh:
        """Return the hand with its contact point at `place`, (3,) in cm."""
        return Mesh(
            (self._points + place).astype(np.float32),
            self._triangles,
            lit_surface(self._texture, brightness(self._normals, light)),
        )


def _rotation(hand: Hand) -> np.ndarray:
    """Return the matrix from the hand's axes to the scene's."""
    heading, pitch, roll = hand.heading - np.pi / 2, -hand.pitch, hand.roll * hand.side
    about_z = np.array(
        [[np.cos(heading), -np.sin(heading), 0], [np.sin(heading), np.cos(heading), 0], [0, 0, 1]]
    )
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return about_z @ about_x @ about_y


_BOW = np.radians([-90, -45, 0, 0, 45, 90])
"""Latitude of each ring of corners on the half spheres at a capsule's ends."""
_SHARE = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
"""Position of the centre of each ring along the bone."""
_AROUND = np.linspace(0, 2 * np.pi, AROUND + 1)


_NUDGE = np.array([1e-6, 0.0, 0.0])
"""Added to directions that could be zero."""


def _capsules(bones: list[Bone]) -> tuple[np.ndarray, np.ndarray]:
    """Return points and normals (bones * ALONG * (AROUND + 1), 3) of the bones' surfaces."""
    start, end = (np.array([getattr(bone, name) for bone in bones]) for name in ("start", "end"))
    thick, thin, flat = (
        np.array([getattr(bone, name) for bone in bones]) for name in ("thick", "thin", "flat")
    )
    axis = _unit(end - start)
    across = _unit(np.stack([axis[:, 1], -axis[:, 0], np.zeros(len(bones))], axis=1) + _NUDGE)
    up = np.cross(across, axis)
    radius = thick[:, None] + _SHARE * (thin - thick)[:, None]
    centre = start[:, None] + _SHARE[:, None] * (end - start)[:, None]
    centre += (radius * np.sin(_BOW))[..., None] * axis[:, None]
    outward = np.cos(_AROUND)[:, None] * across[:, None] + np.sin(_AROUND)[:, None] * up[:, None]
    radial = outward + (np.sin(_AROUND)[:, None] * up[:, None]) * (flat - 1)[:, None, None]
    points = centre[:, :, None] + (radius * np.cos(_BOW))[..., None, None] * radial[:, None]
    normals = (
        np.cos(_BOW)[:, None, None] * outward[:, None] + (np.sin(_BOW)[:, None] * axis[:, None])[:, :, None]
    )
    return points.reshape(-1, 3), normals.reshape(-1, 3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _unwrapped(bones: list[Bone]) -> np.ndarray:
    """Return the place in the texture of each corner, 0 to 1."""
    start, end = (np.array([getattr(bone, name)[:2] for bone in bones]) for name in ("start", "end"))
    centre = start[:, None] + _SHARE[:, None] * (end - start)[:, None]
    u = (centre[..., :1] / 20 + 0.4) + np.linspace(0, 0.2, AROUND + 1)
    v = np.broadcast_to(centre[..., 1:] / 60 + 0.55, u.shape)
    return np.stack([u, v], axis=-1).reshape(-1, 2)
