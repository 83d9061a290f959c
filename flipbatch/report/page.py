"""The HTML report of a scoring run: one static file without scripts, fonts, images or network.

Fills ``report.html.j2`` with the rows of `views`, and inlines ``report.css``. Jinja2 escapes every text:
names, URIs and errors come from outside, and a video may be called ``<script>``. The same run gives the same
bytes. Does not know pixels, Ray or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from flipbatch import storage
from flipbatch.report import plots, views
from flipbatch.report.adapted import adapted_sentences
from flipbatch.report.contents import Json, Report, gather
from flipbatch.report.differences import by_pair, differences
from flipbatch.report.warnings import warnings
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.totals import PartTotals

REPORT_FILE = "report.html"


def write_report(run: ScoringRun, metrics: Json, model_cards: Mapping[str, Json], totals: PartTotals) -> None:
    """Write ``report.html`` of a run whose tables are written. The parameters are those of `gather`.

    Raises
    ------
    StorageError
    """
    page = render(gather(run, metrics, model_cards, totals))
    # A file name that is not valid UTF-8 must not stop a run.
    storage.write(run.directory.path(REPORT_FILE), page.encode(errors="backslashreplace"))


def render(report: Report) -> str:
    """Return the page as HTML."""
    return _template().render(
        report=report,
        metrics=report.metrics,
        stylesheet=files("flipbatch.report").joinpath("report.css").read_text("utf-8"),
        warnings=warnings(report.metrics, report.model_cards, report.notes),
        pairs=by_pair(differences(report.metrics)),
        adapted=adapted_sentences(report.metrics),
        views=views,
        plots=plots,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("flipbatch.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": views.count, "number": views.number, "signed": views.signed}
    return environment.get_template("report.html.j2")
