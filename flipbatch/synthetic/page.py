"""The print on a page: headings, paragraphs, pictures, diagrams.

Draws flat pages as images. Knows no position and no light.
"""

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flipbatch.synthetic.scene import Book

PAGE_WIDTH = 480
"""Width of a page's image, in pixels."""
LETTERS = np.array(list("eeeeeettttaaaoooiiinnnsssrrrhhhlldddccuummfpgwybvkxjqz"))
"""Letters, about as frequent as in English."""


def draw_page(book: Book, number: int) -> np.ndarray:
    """Draw page `number` of the book, uint8 of shape (height, PAGE_WIDTH, 3)."""
    rng = np.random.default_rng([book.seed, number])
    height = round(PAGE_WIDTH * book.page_height / book.page_width)
    paper = tuple(round(value) for value in book.paper)
    image = Image.new("RGB", (PAGE_WIDTH, height), paper)
    if rng.random() > 0.06:
        _fill_page(image, book, rng)
        foot = (PAGE_WIDTH / 2, height * 0.955)
        ImageDraw.Draw(image).text(foot, str(number), _ink(book), _font(_line_height(book)))
    return np.array(image)


def _fill_page(image: Image.Image, book: Book, rng: np.random.Generator) -> None:
    """Set one block below the other until the page is full or the chapter ends."""
    line = _line_height(book)
    margin = round(PAGE_WIDTH * rng.uniform(0.08, 0.15))
    y = round(image.height * rng.uniform(0.05, 0.14))
    bottom = round(image.height * (rng.uniform(0.35, 0.9) if rng.random() < 0.2 else 0.92))
    while y < bottom - line:
        y = _set_block(image, book, (margin, y, PAGE_WIDTH - margin, bottom), line, rng) + line


def _set_block(
    image: Image.Image, book: Book, box: tuple[int, int, int, int], line: int, rng: np.random.Generator
) -> int:
    """Set a picture, a heading or a paragraph at the top of `box`; return the y of its end."""
    left, top, right, bottom = box
    chance = rng.random()
    if chance < book.picture_share:
        end = min(bottom, top + round((right - left) * rng.uniform(0.3, 0.9)))
        inset = round((right - left) * max(0.0, rng.uniform(-0.1, 0.2)))
        return _paste_picture(image, (left + inset, top, right - inset, end), book, rng)
    if chance > 0.85:
        ImageDraw.Draw(image).text((left, top), _words(24, rng), _ink(book), _font(round(line * 1.25)))
        return top + line
    return _set_paragraph(image, book, box, line, rng)


def _set_paragraph(
    image: Image.Image, book: Book, box: tuple[int, int, int, int], line: int, rng: np.random.Generator
) -> int:
    left, top, right, bottom = box
    draw, font = ImageDraw.Draw(image), _font(line)
    letters = round((right - left) / font.getlength("n") * 1.03)
    lines = min(int(rng.integers(3, 14)), (bottom - top) // line)
    for index in range(lines):
        length = letters if index < lines - 1 else round(letters * rng.uniform(0.2, 1))
        draw.text((left, top + index * line), _words(length, rng), _ink(book), font)
    return top + lines * line


def _words(length: int, rng: np.random.Generator) -> str:
    """Return random words of `length` characters in total."""
    letters = rng.choice(LETTERS, max(2, length))
    gaps = np.cumsum(rng.integers(3, 11, max(2, length)))
    letters[gaps[gaps < len(letters)]] = " "
    return "".join(letters.tolist()).capitalize()


def _line_height(book: Book) -> int:
    """Return the distance between two lines, in pixels."""
    return max(6, round(book.font_size * 1.55 / book.page_width * PAGE_WIDTH))


def _ink(book: Book) -> tuple[int, int, int]:
    red, green, blue = (round(value) for value in book.ink)
    return red, green, blue


@lru_cache(maxsize=64)
def _font(line: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's built-in font for a line height in pixels. No font file is needed."""
    font = ImageFont.load_default(size=line / 1.45)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: install its wheel from PyPI.")
    return font


def _paste_picture(
    image: Image.Image, box: tuple[int, int, int, int], book: Book, rng: np.random.Generator
) -> int:
    left, top, right, bottom = box
    if bottom - top < 12 or right - left < 12:
        return bottom
    kind = rng.integers(3)
    draw = (_photograph, _dark_listing, _diagram)[kind]
    image.paste(Image.fromarray(draw(right - left, bottom - top, book, rng)), (left, top))
    return bottom


def _photograph(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return soft blobs of colour; in books with an odd seed, of grey."""
    low_res = rng.uniform(40, 215, (int(rng.integers(3, 8)), int(rng.integers(3, 8)), 3)).astype(np.float32)
    fine = rng.normal(0, 22, (max(2, height // 6), max(2, width // 6), 1)).astype(np.float32)
    picture = cv2.resize(low_res, (width, height), interpolation=cv2.INTER_CUBIC)
    picture += cv2.resize(fine, (width, height))[:, :, None]
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * (0.0 if book.seed % 2 else 0.7)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _dark_listing(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return light lines of text on a dark ground, like a screen."""
    shade = int(rng.integers(25, 120))
    picture = Image.new("RGB", (width, height), (shade, shade, shade + 4))
    draw, line = ImageDraw.Draw(picture), 11
    for y in range(4, height - line, line):
        draw.text((6, y), _words(int(rng.integers(4, width // 9 + 6)), rng), (215, 215, 215), _font(line))
    return np.array(picture)


def _diagram(width: int, height: int, book: Book, rng: np.random.Generator) -> np.ndarray:
    """Return boxes joined by lines on paper."""
    picture = np.full((height, width, 3), book.paper, np.uint8)
    boxes = rng.uniform(0.12, 0.88, (int(rng.integers(3, 8)), 2)) * (width, height)
    points = boxes.astype(int).tolist()
    for first, second in pairwise(points):
        cv2.line(picture, first, second, _ink(book), 1, cv2.LINE_AA)
    for x, y in points:
        shade = rng.integers(60, 230, 3).tolist()
        cv2.rectangle(picture, (x - 22, y - 12), (x + 22, y + 12), shade, -1)
        cv2.rectangle(picture, (x - 22, y - 12), (x + 22, y + 12), _ink(book), 1)
    return picture
