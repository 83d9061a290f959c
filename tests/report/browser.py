"""Pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")

Theme = Literal["light", "dark"]

PHONE, DESKTOP = 390, 1200
"""Widths of a window, in pixels."""


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Start Chromium without a window."""
    with sync_playwright() as playwright:
        # Chromium refuses to use its sandbox as root, as whom containers run.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, file: Path, theme: Theme = "light", width: int = DESKTOP, scripts: bool = True
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page without network; also return what it complains about, which grows."""
    context = browser.new_context(
        color_scheme=theme,
        viewport={"width": width, "height": 900},
        offline=True,
        java_script_enabled=scripts,
    )
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda one: complaints.append(one.url) if one.url.startswith("http") else None)
    page.goto(file.as_uri())
    yield page, complaints
    context.close()
