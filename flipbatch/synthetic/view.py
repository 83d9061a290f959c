"""A camera's view of meshes: which texture, how bright and how far away each pixel is.

OpenCV's rasteriser has a depth buffer, so that any surface hides what is behind it. Knows meshes, lenses and
pixels. Does not know textures, light or books.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from flipbatch.synthetic.mesh import Mesh
from flipbatch.synthetic.scene import Vector

NEAR, FAR = 2.0, 1500.0
"""Distances in cm between which surfaces are drawn."""
UP = (0.0, 1.0, 0.6)
"""Direction that is up in a picture without roll: away from the reader, seen from above, and else up."""


def _settings() -> cv2.TriangleRasterizeSettings:
    settings = cv2.TriangleRasterizeSettings()
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings.setGlCompatibleMode(cv2.RASTERIZE_COMPAT_DISABLED)
    return settings


_SETTINGS = _settings()


@dataclass(frozen=True)
class Seen:
    """What each pixel of a view shows.

    Attributes
    ----------
    texture
        (height, width, 3), float32: position in the atlas, 0 to 1, and half the brightness.
    distance
        (height, width), float32: distance along the viewing axis in cm; `FAR` where nothing is.
    """

    texture: np.ndarray
    distance: np.ndarray


class View:
    """A camera with a picture of a certain size.

    Parameters
    ----------
    position, target
        Position of the lens and the point in the middle of the picture, in cm.
    roll
        Rotation about the viewing axis, radians.
    focal
        Focal length in pixels.
    width, height
        Size of the picture in pixels.
    """

    def __init__(
        self, position: Vector, target: Vector, roll: float, focal: float, width: int, height: int
    ) -> None:
        self.width, self.height, self.focal = width, height, focal
        self.position = np.array(position, float)
        self.axes = _axes(self.position, np.array(target, float), roll)
        self._field = 2 * float(np.arctan(height / 2 / focal))

    def see(self, mesh: Mesh, shift: tuple[float, float] = (0.0, 0.0), before: Seen | None = None) -> Seen:
        """Draw a mesh.

        Parameters
        ----------
        mesh
            Wholly in front of the lens.
        shift
            Movement of the picture to the right and down, in pixels.
        before
            What is already there; a nearer surface hides it.
        """
        if before is None:
            texture = np.zeros((self.height, self.width, 3), np.float32)
            distance = np.full((self.height, self.width), FAR, np.float32)
        else:
            texture, distance = before.texture.copy(), before.distance.copy()
        cv2.triangleRasterize(
            mesh.vertices,
            mesh.triangles,
            mesh.surface,
            texture,
            distance,
            self._matrix(shift),
            self._field,
            NEAR,
            FAR,
            _SETTINGS,
        )
        return Seen(texture, distance)

    def in_front(self, mesh: Mesh) -> Mesh:
        """Return the part of a mesh that is in front of the lens: the rest would be drawn as spikes."""
        depth = (mesh.vertices - self.position.astype(np.float32)) @ self.axes[2].astype(np.float32)
        if depth.min() > NEAR:
            return mesh
        return replace(mesh, triangles=mesh.triangles[(depth[mesh.triangles] > NEAR).all(axis=1)])

    def distances(self, mesh: Mesh) -> np.ndarray:
        """Return the distance of the nearest surface in each pixel, (height, width), float32."""
        distance = np.full((self.height, self.width), FAR, np.float32)
        cv2.triangleRasterizeDepth(
            mesh.vertices,
            mesh.triangles,
            distance,
            self._matrix((0.0, 0.0)),
            self._field,
            NEAR,
            FAR,
            _SETTINGS,
        )
        return distance

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels (N, 2) of points (N, 3) in cm."""
        seen = (points - self.position) @ self.axes.T
        depth = np.maximum(seen[:, 2:], NEAR)
        return np.array([self.width / 2, self.height / 2]) + self.focal * seen[:, :2] / depth

    def rays(self) -> np.ndarray:
        """Return the direction (height, width, 3) of each pixel's ray, of length 1 along the viewing axis."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        right, down, forward = self.axes
        return (x[None, :, None] * right + y[:, None, None] * down + forward).astype(np.float32)

    def _matrix(self, shift: tuple[float, float]) -> np.ndarray:
        """Return the rasteriser's matrix: x to the right, y up, z towards the lens; a shear shifts pixels."""
        rotation = np.stack([self.axes[0], -self.axes[1], -self.axes[2]])
        shear = np.array([[1, 0, -shift[0] / self.focal], [0, 1, shift[1] / self.focal], [0, 0, 1]])
        matrix = np.eye(4, dtype=np.float32)
        matrix[:3, :3] = shear @ rotation
        matrix[:3, 3] = -matrix[:3, :3] @ self.position
        return matrix


def _axes(position: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """Return the right, down and forward directions as rows."""
    forward = target - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward])
