"""The part of a scene that does not move: the table and the open book on it.

Draws one canvas per scene. The brightness of paper follows from its slope. Knows no page in the air, no hands
and no time.
"""

import cv2
import numpy as np

from flipbatch.synthetic.geometry import Projection, Sheet, resting_sheet
from flipbatch.synthetic.layer import SUBPIXEL_BITS, darken, draw_sheet, lay_down, soften_edges
from flipbatch.synthetic.light import shade_sheet
from flipbatch.synthetic.page import draw_page
from flipbatch.synthetic.scene import Book, Color, Scene

FAR = 300.0
"""Distance in cm at which the floor ends, outside of every frame."""


def draw_background(scene: Scene, projection: Projection, shape: tuple[int, int, int]) -> np.ndarray:
    """Return a canvas, uint8 RGB of `shape`, with the table and the open book."""
    canvas = _draw_table(scene, projection, shape)
    _draw_block(canvas, scene, projection)
    for side, number in ((-1, scene.first_page), (1, scene.first_page + 3)):
        _draw_resting_page(canvas, scene, projection, side, number)
    return canvas


def _draw_table(scene: Scene, projection: Projection, shape: tuple[int, int, int]) -> np.ndarray:
    """Draw the table with its grain, and the floor beyond its near edge."""
    table, rng = scene.table, np.random.default_rng(scene.table.seed)
    low_res = rng.normal(0, 1, (160, 12)).astype(np.float32)
    grain = cv2.resize(low_res, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    lit = (1 + table.grain * grain)[..., None] * np.array(table.color, np.float32)
    canvas = np.clip(lit, 0, 255).astype(np.uint8)
    floor = np.array([[-FAR, table.edge, 0], [FAR, table.edge + 8, 0], [FAR, -60, 0], [-FAR, -60, 0]])
    _fill(canvas, projection.project(floor), table.floor)
    return canvas


def _draw_block(canvas: np.ndarray, scene: Scene, projection: Projection) -> None:
    """Draw the book's shadow on the table, its cover, the dark gutter and the edges of its pages."""
    book = scene.book
    _draw_book_shadow(canvas, scene, projection)
    cover = _rectangle(book.page_width + 0.3, book.page_height / 2 + 0.25, 0.1)
    _fill(canvas, projection.project(cover), book.cover)
    _fill(canvas, projection.project(cover * (0.2, 0.97, 1)), _scaled(book.paper, 0.45))
    for side in (-1, 1):
        _draw_page_edges(canvas, book, resting_sheet(book, side), projection)


def _draw_page_edges(canvas: np.ndarray, book: Book, sheet: Sheet, projection: Projection) -> None:
    """Draw the stack below a resting page as lines of paper, along its lower and its outer edge."""
    ground, upwards = sheet.lower * (1.01, 1, 0), np.array([0, book.page_height, 0])
    for number, share in enumerate(np.linspace(0, 1, 9)):
        line = ground + share * (sheet.lower - ground)
        lower = np.concatenate([line, sheet.lower[::-1]])
        outer = np.stack([line[-1], line[-1] + upwards, sheet.upper[-1], sheet.lower[-1]])
        for edge in (lower, outer):
            shade = 0.6 + 0.08 * (number % 2) + 0.15 * share
            _fill(canvas, projection.project(edge), _scaled(book.paper, float(shade)))


def _draw_book_shadow(canvas: np.ndarray, scene: Scene, projection: Projection) -> None:
    """Draw the book's soft shadow on the table."""
    book, direction = scene.book, np.array(scene.light.direction)
    offset = -max(book.thickness) / direction[2] * direction[:2] * 0.7
    corners = _rectangle(book.page_width + 0.6, book.page_height / 2 + 0.5, 0.0)
    corners[:, :2] += offset
    mask = np.zeros(canvas.shape[:2], np.uint8)
    _fill(mask, projection.project(corners), (255, 255, 255))
    darken(canvas, cv2.GaussianBlur(mask[::4, ::4], (0, 0), 3.5), 0.6)


def _draw_resting_page(
    canvas: np.ndarray, scene: Scene, projection: Projection, side: int, number: int
) -> None:
    """Draw the page on top of one stack, darker in the gutter."""
    sheet = resting_sheet(scene.book, side)
    slope = sheet.slope if side > 0 else sheet.slope[:, ::-1]
    page = shade_sheet(draw_page(scene.book, number), slope, scene.light, upside=side > 0)
    gutter = 1 - 0.45 * np.exp(-np.linspace(0, 1, page.shape[1])[::side] / 0.035)
    page = (page * gutter[None, :, None]).astype(np.uint8)
    layer = draw_sheet(sheet, page, page, projection, canvas.shape, 2)
    if layer is not None:
        lay_down(canvas, soften_edges(layer))


def _rectangle(half_width: float, half_height: float, z: float) -> np.ndarray:
    """Return the corners of a rectangle around the origin, at height `z`."""
    x, y = half_width, half_height
    return np.array([[-x, y, z], [x, y, z], [x, -y, z], [-x, -y, z]])


def _scaled(color: Color, factor: float) -> Color:
    red, green, blue = color
    return red * factor, green * factor, blue * factor


def _fill(canvas: np.ndarray, polygon: np.ndarray, color: Color) -> None:
    """Fill a polygon given in pixels. A canvas of one channel takes the first value of the colour."""
    points = np.round(polygon * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [points], color, cv2.LINE_AA, SUBPIXEL_BITS)
