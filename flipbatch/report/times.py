"""What a page says of the time that one command took to score.

Knows timings. Does not know markup or clocks.
"""

from __future__ import annotations

from flipbatch.runtime.wording import counted, numbered
from flipbatch.scoring.timing import Timing


def time_sentences(timing: Timing) -> list[str]:
    """Return sentences about the frames that one command scored; none if it scored no frame."""
    if not timing.frames:
        return []
    seconds, busy = max(timing.seconds, 1e-3), max(timing.decoding + timing.predicting, 1e-3)
    processes = numbered("{count} {process|processes}", len(timing.workers))
    return [
        f"The command that wrote this report scored {counted(timing.frames, 'frame')} in {seconds:,.1f} s: "
        f"{timing.frames / seconds:,.0f} frames/s by {processes}.",
        f"Of the time of its processes, {100 * timing.decoding / busy:.0f} % went into reading and decoding, "
        f"{100 * timing.predicting / busy:.0f} % into prediction and writing.",
    ]
