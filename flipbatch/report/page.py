"""The HTML report of a scoring run: one file with pictures and a sortable table, without network.

Fills ``scoring.html.j2`` with the rows of `views`. The same run over the same frames gives the same bytes,
except in the paragraph about the time that the command took. Does not know pixels, Ray or a clock.
"""

from __future__ import annotations

from flipbatch.report import plots, views
from flipbatch.report.adapted import adapted_sentences
from flipbatch.report.contents import Json, JsonByName, Report, gather
from flipbatch.report.curves import reliability_curve
from flipbatch.report.differences import by_pair, differences
from flipbatch.report.gallery import DEFAULT_THUMBNAILS, galleries
from flipbatch.report.html import fill, write_page
from flipbatch.report.times import time_sentences
from flipbatch.report.video_rows import video_table
from flipbatch.report.warnings import warnings
from flipbatch.scoring.run import ScoringRun
from flipbatch.scoring.timing import Timing
from flipbatch.scoring.totals import PartTotals

_UNTIMED = Timing()


def write_report(
    run: ScoringRun,
    metrics: Json,
    model_cards: JsonByName,
    totals: PartTotals,
    timing: Timing = _UNTIMED,
    number_of_thumbnails: int = DEFAULT_THUMBNAILS,
) -> None:
    """Write ``report.html`` of a run whose tables are written.

    Parameters
    ----------
    run, metrics, model_cards, totals
        Those of `gather`.
    timing : Timing
        Of the frames that this command scored.
    number_of_thumbnails : int
        See `galleries`; 0 for none.

    Raises
    ------
    StorageError
    """
    write_page(run.directory, render(gather(run, metrics, model_cards, totals), timing, number_of_thumbnails))


def render(report: Report, timing: Timing = _UNTIMED, number_of_thumbnails: int = 0) -> str:
    """Return the page as HTML. The parameters are those of `write_report`."""
    return fill(
        "scoring.html.j2",
        "videos.js",
        report=report,
        metrics=report.metrics,
        warnings=warnings(report.metrics, report.model_cards, report.notes),
        pairs=by_pair(differences(report.metrics)),
        adapted=adapted_sentences(report.metrics),
        times=time_sentences(timing),
        galleries=galleries(report.examples, number_of_thumbnails),
        video_tables={name: video_table(report, name) for name in report.metrics["models"]},
        reliability={name: reliability_curve(card) for name, card in report.model_cards.items()},
        views=views,
        plots=plots,
    )
