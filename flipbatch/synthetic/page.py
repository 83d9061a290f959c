"""The print on a page: headings, paragraphs, pictures, coloured boxes, ruled lines and handwriting.

Draws flat pages as images. Lines of text are cut from strips that are set once per process and line height.
Knows where pictures go, but not what they show. Knows no position and no light.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flipbatch.synthetic.picture import choose_picture
from flipbatch.synthetic.scene import Book

LETTERS = np.array(list("eeeeeettttaaaoooiiinnnsssrrrhhhlldddccuummfpgwybvkxjqz"))
"""Letters, about as frequent as in English."""
STRIPS = 24
"""Number of different lines of text of one height."""
STRIP_LENGTH = 60
"""Length of a line of text, in line heights."""
GRIDS = 0.35
"""Share of pictures that are several, in rows and columns."""


def draw_page(book: Book, number: int, width: int) -> np.ndarray:
    """Draw page `number` of the book, uint8 RGB of shape (height, width, 3)."""
    rng = np.random.default_rng([book.seed, number])
    height = round(width * book.page_height / book.page_width)
    paper = np.empty((height, width, 3), np.uint8)
    paper[:] = np.round(book.paper)
    line = max(3, round(book.font_size * 1.55 / book.page_width * width))
    page = _Page(book, paper, np.zeros((height, width), np.uint8), line, rng)
    if book.print != "blank" and rng.random() > 0.07:
        (_write_notebook if book.print == "notebook" else _fill_page)(page)
    return _inked(page)


@dataclass(frozen=True)
class _Page:
    """A page that is being printed.

    Attributes
    ----------
    book
    paper
        uint8 RGB (height, width, 3): the paper with what is printed in colour.
    ink
        uint8 (height, width): coverage by ink.
    line
        Distance of two lines in pixels.
    rng
        Random numbers of this page.
    """

    book: Book
    paper: np.ndarray
    ink: np.ndarray
    line: int
    rng: np.random.Generator


class _Box(NamedTuple):
    """A part of a page, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left


def _inked(page: _Page) -> np.ndarray:
    """Return the page with its ink."""
    color = np.empty_like(page.paper)
    color[:] = np.round(page.book.ink)
    cover = cv2.merge([page.ink, page.ink, page.ink])
    paper = cv2.multiply(page.paper, 255 - cover, scale=1 / 255)
    return cv2.add(paper, cv2.multiply(color, cover, scale=1 / 255))


def _fill_page(page: _Page) -> None:
    """Set one block below the other, in one or two columns, until the page is full or the chapter ends."""
    (height, width), rng, line = page.ink.shape, page.rng, page.line
    margin = round(width * rng.uniform(0.07, 0.16))
    columns = 2 if page.book.print == "textbook" and page.book.seed % 5 == 0 else 1
    step = (width - 2 * margin + line) // columns
    for column in range(columns):
        left = margin + column * step
        y = round(height * rng.uniform(0.05, 0.14))
        if rng.random() < 0.1:
            y = round(height * rng.uniform(0.2, 0.6))
        bottom = round(height * (rng.uniform(0.2, 0.9) if rng.random() < 0.22 else 0.93))
        while y < bottom - line:
            y = _set_block(page, _Box(left, y, left + step - line, bottom)) + line


def _set_block(page: _Page, box: _Box) -> int:
    """Set a picture, a heading or a paragraph at the top of `box`; return the y of its end."""
    rng, chance = page.rng, page.rng.random()
    if chance < page.book.picture_share:
        return _set_picture(page, box)
    if chance > 0.86:
        line = round(page.line * 1.3)
        _set_line(page.ink, box.left, box.top, box.left + round(box.width * rng.uniform(0.2, 0.8)), line, rng)
        return box.top + line
    return _set_paragraph(page, box)


def _set_picture(page: _Page, box: _Box) -> int:
    """Set a picture, or several of one kind side by side and below each other."""
    rng = page.rng
    end = min(box.bottom, box.top + round(box.width * rng.uniform(0.25, 0.95)))
    rows, columns = 1, 1
    if rng.random() < GRIDS:
        rows, columns = int(rng.integers(1, 4)), int(rng.integers(2, 4))
        end = min(box.bottom, box.top + round(box.width * rows / columns * rng.uniform(0.7, 1.2)))
    inset = round(box.width * max(0.0, rng.uniform(-0.15, 0.25)))
    down, across = (end - box.top) // rows, (box.width - 2 * inset) // columns
    gap = round(min(down, across) * rng.uniform(0.02, 0.12)) if rows * columns > 1 else 0
    height, width = down - gap, across - gap
    draw, turned = choose_picture(rng), rng.random() < 0.5
    for place in range(rows * columns if min(height, width) > 6 else 0):
        top, left = box.top + place // columns * down, box.left + inset + place % columns * across
        picture = draw(width, height, page.book, rng)
        page.paper[top : top + height, left : left + width] = picture[::-1] if turned else picture
    return end


def _set_paragraph(page: _Page, box: _Box) -> int:
    rng, line = page.rng, page.line
    lines = max(1, min(int(rng.integers(2, 16)), (box.bottom - box.top) // line))
    if page.book.print == "textbook" and rng.random() < 0.15:
        page.paper[box.top : box.top + lines * line, box.left : box.right] = _tint(page.book, rng)
    for index in range(lines):
        share = 1.0 if index < lines - 1 else rng.uniform(0.2, 1)
        end = box.left + round(box.width * share)
        _set_line(page.ink, box.left, box.top + index * line, end, line, rng)
    return box.top + lines * line


def _tint(book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return the colour of a box behind text."""
    dark = rng.random() < 0.3
    return np.array(book.paper) * (rng.uniform(0.25, 0.6) if dark else rng.uniform(0.7, 1.0, 3))


def _set_line(ink: np.ndarray, left: int, top: int, right: int, line: int, rng: np.random.Generator) -> None:
    """Print one line of text on the coverage, in place."""
    strips = _strips(line)
    strip = strips[int(rng.integers(STRIPS))]
    bottom, right = min(ink.shape[0], top + line), min(ink.shape[1], right)
    if bottom <= top or right <= left:
        return
    start = int(rng.integers(0, max(1, strip.shape[1] - (right - left))))
    piece = strip[: bottom - top, start : start + right - left]
    target = ink[top:bottom, left : left + piece.shape[1]]
    np.maximum(target, piece, out=target)


@lru_cache(maxsize=64)
def _strips(line: int) -> list[np.ndarray]:
    """Return lines of random words: coverages, uint8 of shape (line, STRIP_LENGTH * line)."""
    rng = np.random.default_rng(line)
    # Small letters are set large and shrunk: hinting makes letters of 3 pixels black or empty.
    factor = max(1, -(-12 // line))
    font = _font(line * factor)
    strips: list[np.ndarray] = []
    for _ in range(STRIPS):
        picture = Image.new("L", (STRIP_LENGTH * line * factor, line * factor))
        ImageDraw.Draw(picture).text((0, 0), _words(STRIP_LENGTH * 3, rng), 255, font)
        strips.append(
            cv2.resize(np.array(picture), (STRIP_LENGTH * line, line), interpolation=cv2.INTER_AREA)
        )
    return strips


def _words(length: int, rng: np.random.Generator) -> str:
    """Return random words of `length` characters in total."""
    letters = rng.choice(LETTERS, length)
    gaps = np.cumsum(rng.integers(3, 11, length))
    letters[gaps[gaps < length]] = " "
    return "".join(letters.tolist()).capitalize()


@lru_cache(maxsize=64)
def _font(line: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's built-in font for a line height in pixels. No font file is needed."""
    font = ImageFont.load_default(size=line / 1.45)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: install its wheel from PyPI.")
    return font


def _write_notebook(page: _Page) -> None:
    """Draw ruled or squared paper, and some lines of slanted writing."""
    (height, width), rng = page.ink.shape, page.rng
    line = round(page.line * rng.uniform(1.3, 2.0))
    rule = (page.paper[0, 0] * rng.uniform(0.75, 0.93)).astype(np.uint8)
    page.paper[line::line] = rule
    if rng.random() < 0.4:
        page.paper[:, line::line] = rule
    margin = round(width * rng.uniform(0.04, 0.2))
    for row in range(int(rng.integers(0, 4)), int(rng.uniform(0, 1) * height / line)):
        end = round(width * rng.uniform(0.3, 0.95))
        if rng.random() < 0.85:
            _set_line(page.ink, margin, row * line, end, line, rng)
    slant = np.array([[1, -0.25, 0], [rng.normal(0, 0.01), 1, 0]])
    cv2.warpAffine(page.ink.copy(), slant, (width, height), dst=page.ink)
