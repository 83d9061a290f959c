"""A page as one HTML file: a template, filled, with the stylesheet and scripts inside.

Jinja2 escapes every text: names, URIs and errors come from outside, and a video may be called ``<script>``.
The page asks for nothing, and its policy allows its own stylesheet and script alone, by their hashes. Does
not know what a page shows.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flipbatch import storage
from flipbatch.report.values import count, number, signed
from flipbatch.runtime.run_directory import RunDirectory

REPORT_FILE = "report.html"
STYLESHEET = "report.css"


def write_page(directory: RunDirectory, page: str) -> None:
    """Write the report of a run.

    Raises
    ------
    StorageError
    """
    # A file name that is not valid UTF-8 must not stop a run.
    storage.write(directory.path(REPORT_FILE), page.encode(errors="backslashreplace"))


def fill(template: str, script: str | None = None, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template, script : str
        Names of files of this folder; the script is optional.
    **values
        What the template shows.
    """
    stylesheet, code = _file(STYLESHEET), _file(script) if script else ""
    return (
        _environment()
        .get_template(template)
        .render(
            policy=_policy(stylesheet, code), stylesheet=Markup(stylesheet), script=Markup(code), **values
        )
    )


def json_in_html(value: Any) -> Markup:
    """Return JSON that may stand within a ``<script>`` element: no text in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _policy(stylesheet: str, script: str) -> str:
    """Return the value of Content-Security-Policy."""
    rules = ["default-src 'none'", "img-src data:", f"style-src '{_hash(stylesheet)}'"]
    if script:
        rules.append(f"script-src '{_hash(script)}'")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@lru_cache
def _file(name: str) -> str:
    return files("flipbatch.report").joinpath(name).read_text("utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flipbatch.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "number": number, "signed": signed}
    return environment
