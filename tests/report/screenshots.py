"""The pictures of both reports in the README: a part of each page, of rendered frames alone.

uv run jobs/demo.py
uv run python -m tests.report.screenshots demo-out/train/report.html demo-out/score/report.html
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from tests.report.browser import opened, started_browser

DOCS = Path(__file__).parents[2] / "docs"
HEIGHT = 1400


def picture(browser: Browser, file: Path, start: str) -> Image.Image:
    """Return the part of a page that begins with an element."""
    with opened(browser, file) as (page, _):
        box = page.locator(start).first.bounding_box()
        main = page.locator("main").bounding_box()
        assert box is not None
        assert main is not None
        clip = {"x": main["x"], "y": box["y"] - 24, "width": main["width"], "height": HEIGHT}
        data = page.screenshot(full_page=True, clip=clip)  # pyright: ignore[reportArgumentType]
    return Image.open(io.BytesIO(data))


def save(image: Image.Image, file: Path) -> None:
    """Write a small PNG: 256 colours are enough for a page."""
    image.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)


def main(trained: Path, scored: Path) -> None:
    """Write ``report-training.png`` and ``report-scoring.png``."""
    with started_browser() as browser:
        save(picture(browser, trained.absolute(), "h2:has-text('cnn_model')"), DOCS / "report-training.png")
        save(picture(browser, scored.absolute(), "h3:has-text('Missed flips')"), DOCS / "report-scoring.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
