"""A book and what lies around it become triangles.

Knows books, places and textures' numbers. Does not know hands, cameras and time.
"""

from __future__ import annotations

import numpy as np

from flipbatch.synthetic.atlas import Tile
from flipbatch.synthetic.brightness import brightness, paper_brightness
from flipbatch.synthetic.mesh import Mesh, grid_mesh, grid_normals, joined, quad_mesh
from flipbatch.synthetic.paper import Sheet, resting_sheet, stack_foot
from flipbatch.synthetic.scene import Book, Light, Place

ROWS = 5
"""Number of rows of corners of a page."""
GUTTER_SHADE = 0.7
"""Share of light that is missing in the gutter where none comes from all directions."""
PAPER_DEPTH = 0.03
"""Distance in cm between a page's two sides and its middle: more than paper, so that depths differ."""
TABLE_REACH, TABLE_FAR = 140.0, 90.0
"""Half the width of the table, and the y of its far edge, in cm."""
TABLE_DEPTH = 0.5
"""Distance of the table below the stacks, in cm."""
COVER_DEPTH = 0.25
"""Distance of the cover below the stacks, in cm."""
FLOOR_DEPTH = 70.0
"""Distance of the floor below the table, in cm."""


def resting_page(book: Book, side: int, tile: Tile, light: Light, view: np.ndarray) -> Mesh:
    """Return the page on top of one stack, darker in the gutter."""
    points = resting_sheet(book, side).grid(ROWS)
    normals = grid_normals(points) * side
    lit = paper_brightness(normals, light, view, 0.0)
    along = np.linspace(0, 1, points.shape[1])
    gutter = 1 - GUTTER_SHADE * (1 - light.ambient) * np.exp(-along / 0.05)
    return grid_mesh(points, tile, lit * gutter, mirrored=side < 0)


def page_in_the_air(
    sheet: Sheet, tiles: tuple[Tile, Tile], light: Light, view: np.ndarray, translucency: float
) -> Mesh:
    """Return both sides of a page; the first texture is seen while the page is on the right stack."""
    points = sheet.grid(ROWS)
    normals = grid_normals(points)
    sides: list[Mesh] = []
    for sign, tile in ((1, tiles[0]), (-1, tiles[1])):
        lit = paper_brightness(sign * normals, light, view, translucency)
        sides.append(grid_mesh(points + sign * PAPER_DEPTH * normals, tile, lit, mirrored=sign < 0))
    return joined(sides)


def book_block(book: Book, paper: Tile, cover: Tile, light: Light) -> Mesh:
    """Return the stacks below the resting pages, and the cover."""
    parts: list[Mesh] = []
    for side, half in ((-1, book.left), (1, book.right)):
        sheet, foot = resting_sheet(book, side), stack_foot(book, half, side)
        for edge, y in ((sheet.lower, -book.page_height / 2), (sheet.upper, book.page_height / 2)):
            bottom = np.stack([foot[:, 0], np.full(len(foot), y), foot[:, 1]], axis=1)
            lit = brightness(np.array([0.0, np.sign(y), 0.0]), light)
            parts.append(grid_mesh(np.stack([edge, bottom]), paper, np.full((2, len(edge)), lit)))
        outer = np.stack([sheet.upper[-1], sheet.lower[-1]])
        low = np.array([[foot[-1, 0], y, foot[-1, 1]] for y in (book.page_height / 2, -book.page_height / 2)])
        tilt = np.radians(half.tilt)
        lit = brightness(np.array([side * np.cos(tilt), 0.0, np.sin(tilt)]), light)
        parts.append(grid_mesh(np.stack([outer, low]), paper, np.full((2, 2), lit)))
        parts.append(_cover(book, side, half.tilt, cover, light))
    return joined(parts)


def _cover(book: Book, side: int, tilt: float, tile: Tile, light: Light) -> Mesh:
    """Return one half of the cover: it juts out below the stack."""
    half_height, width = book.page_height / 2 + 0.3, book.page_width + 0.4
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    outer = (side * (width * cos + COVER_DEPTH * sin), width * sin - COVER_DEPTH)
    corners = np.array(
        [
            [0, half_height, -COVER_DEPTH],
            [outer[0], half_height, outer[1]],
            [outer[0], -half_height, outer[1]],
            [0, -half_height, -COVER_DEPTH],
        ]
    )
    return quad_mesh(corners, tile, float(brightness(np.array([-side * sin, 0.0, cos]), light)))


def table_top(place: Place, table: Tile, floor: Tile, light: Light) -> Mesh:
    """Return the table, its front, and the floor beyond it."""
    x, near, far = TABLE_REACH, place.edge, TABLE_FAR
    top = np.array(
        [
            [-x, far, -TABLE_DEPTH],
            [x, far, -TABLE_DEPTH],
            [x, near + 6, -TABLE_DEPTH],
            [-x, near, -TABLE_DEPTH],
        ]
    )
    level = float(brightness(np.array([0.0, 0.0, 1.0]), light))
    ground = np.array(
        [[-2 * x, near + 30, 0], [2 * x, near + 30, 0], [2 * x, near - 200, 0], [-2 * x, near - 200, 0]]
    )
    ground[:, 2] = -FLOOR_DEPTH
    front = np.stack([top[3], top[2], top[2] - (0, 0, 3), top[3] - (0, 0, 3)])
    return joined(
        [
            _divided(top, table, level),
            _divided(front, table, float(brightness(np.array([0.0, -1.0, 0.0]), light))),
            _divided(ground, floor, 1.0),
        ]
    )


def _divided(corners: np.ndarray, tile: Tile, lit: float) -> Mesh:
    """Return a large quadrilateral in 24 x 24 pieces: those behind the lens are left out."""
    share = np.linspace(0, 1, 25)[:, None]
    left, right = (corners[a] * (1 - share) + corners[b] * share for a, b in ((0, 3), (1, 2)))
    points = left[:, None] * (1 - share)[None] + right[:, None] * share[None]
    return grid_mesh(points, tile, np.full(points.shape[:2], lit))


def box(
    centre: tuple[float, float], size: tuple[float, float, float], turn: float, tile: Tile, light: Light
) -> Mesh:
    """Return a box on the table: width, depth and height in cm, rotated by `turn` radians."""
    across, down, height = size
    cos, sin = np.cos(turn), np.sin(turn)
    flat = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]]) * (across / 2, down / 2)
    flat = flat @ np.array([[cos, sin], [-sin, cos]]) + centre
    top = np.concatenate([flat, np.full((4, 1), height - TABLE_DEPTH)], axis=1)
    parts = [quad_mesh(top, tile, float(brightness(np.array([0.0, 0.0, 1.0]), light)))]
    for i in range(4):
        first, second = top[i], top[(i + 1) % 4]
        outward = np.append((first + second)[:2] / 2 - centre, 0.0)
        outward /= max(float(np.linalg.norm(outward)), 1e-6)
        down_by = np.array([0, 0, height])
        corners = np.stack([first, second, second - down_by, first - down_by])
        parts.append(quad_mesh(corners, tile, float(brightness(outward, light))))
    return joined(parts)
