"""Surfaces as triangles with a texture and a brightness at each corner.

Knows positions in cm and the tiles of an atlas. Does not know what a surface shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from flipbatch.synthetic.atlas import Tile


@dataclass(frozen=True)
class Mesh:
    """Triangles.

    Attributes
    ----------
    vertices
        (N, 3) positions in cm, float32.
    triangles
        (M, 3) indices of vertices, int32.
    surface
        (N, 3), float32: position in the atlas, across and down, 0 to 1, and half of the brightness: 1 for
        a level surface without a shadow.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    surface: np.ndarray


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts.tolist(), strict=True)]),
        np.concatenate([mesh.surface for mesh in meshes]),
    )


def between(before: Mesh, after: Mesh, share: float) -> Mesh:
    """Return a mesh on its straight way from one moment (0) to another (1)."""
    vertices = cv2.addWeighted(before.vertices, 1 - share, after.vertices, share, 0)
    return Mesh(vertices, before.triangles, before.surface)


def lit_surface(texture: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Return `Mesh.surface` of positions in the atlas (N, 2) and brightness (N,), 0 to 2."""
    return np.column_stack([texture, np.ravel(brightness) / 2]).astype(np.float32)


def grid_mesh(points: np.ndarray, tile: Tile, brightness: np.ndarray, mirrored: bool = False) -> Mesh:
    """Return a surface over a grid.

    Parameters
    ----------
    points
        (rows, columns, 3) positions in cm.
    tile
        Its texture: the first row is its upper edge.
    brightness
        (rows, columns).
    mirrored
        Whether the first column is the right edge of the texture.
    """
    rows, columns = points.shape[:2]
    texture = tile.positions(_unit_grid(rows, columns, mirrored))
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        grid_triangles(rows, columns),
        lit_surface(texture, np.broadcast_to(brightness, (rows, columns))),
    )


def quad_mesh(corners: np.ndarray, tile: Tile, brightness: float) -> Mesh:
    """Return a quadrilateral: corners (4, 3) from the upper left one clockwise."""
    return grid_mesh(corners[[0, 1, 3, 2]].reshape(2, 2, 3), tile, np.full((2, 2), brightness))


@lru_cache(maxsize=64)
def _unit_grid(rows: int, columns: int, mirrored: bool) -> np.ndarray:
    across = np.linspace(1, 0, columns) if mirrored else np.linspace(0, 1, columns)
    x, y = np.meshgrid(across, np.linspace(0, 1, rows))
    return np.stack([x, y], axis=-1).reshape(-1, 2)


@lru_cache(maxsize=64)
def grid_triangles(rows: int, columns: int) -> np.ndarray:
    """Return the triangles of a grid of vertices in rows."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    halves = [np.stack(half, axis=-1).reshape(-1, 3) for half in ((a, b, c), (a, c, d))]
    return np.concatenate(halves).astype(np.int32)


def grid_normals(points: np.ndarray) -> np.ndarray:
    """Return unit normals (rows, columns, 3) of a grid; those of a flat page on its right stack point up."""
    across = np.gradient(points, axis=1)
    down = np.gradient(points, axis=0)
    normals = np.cross(down, across)
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
