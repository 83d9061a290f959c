"""Rendered frames of places that trained nothing measure and calibrate the bundles of a pretraining run.

Knows bundles, logits and labels. Does not know how networks are trained, or files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from flipbatch.errors import JobError
from flipbatch.evaluation.adaptation_prior import AdaptationPrior
from flipbatch.evaluation.calibration import Calibration
from flipbatch.evaluation.counts import Counts
from flipbatch.evaluation.reliability import calibration_report
from flipbatch.models.bundle import Bundle
from flipbatch.models.precision import Device
from flipbatch.models.predictor import fastest_engine
from flipbatch.pretraining.recipe import PRIOR_WIDENING
from flipbatch.training.rendered_places import LabelledFrames


class RenderedValidation(NamedTuple):
    """Rendered frames that nothing is trained on.

    Attributes
    ----------
    frames : LabelledFrames
    places : ndarray
        int64 (N,): the number of each frame's place.
    """

    frames: LabelledFrames
    places: npt.NDArray[np.int64]

    @classmethod
    def of(cls, places: Iterator[LabelledFrames], fewest_frames: int) -> RenderedValidation:
        """Take whole places of a stream until there are so many frames."""
        parts: list[LabelledFrames] = []
        numbers: list[int] = []
        for number, part in enumerate(places):
            parts.append(part)
            numbers += [number] * len(part.positive)
            if len(numbers) >= fewest_frames:
                break
        return cls(LabelledFrames(*map(np.concatenate, zip(*parts, strict=True))), np.array(numbers))

    def calibrated(self, bundle: Bundle, threshold: float, device: Device) -> Bundle:
        """Return a bundle with the calibration, the metrics and the prior of places that these frames give.

        Parameters
        ----------
        bundle : Bundle
        threshold : float
            The probability at which it decides, 0 to 1.
        device : {"cpu", "cuda"}
            What it runs on here.

        Raises
        ------
        JobError
            If its logits are not finite.
        """
        truth = self.frames.positive
        logits = fastest_engine(bundle, device).logits(self.frames.pixels)
        if not np.isfinite(logits).all():
            raise JobError(
                f"Training of {bundle.name} diverged: its logits are not numbers. Try another --seed."
            )
        calibration = replace(Calibration.fit(logits, truth), threshold=threshold)
        provenance = {
            **bundle.provenance,
            "metrics": {"rendered": _metrics(logits, truth, calibration)},
            "calibration": calibration_report(logits, truth, calibration),
            "adaptation": self._prior(logits, calibration).to_json(),
        }
        return replace(bundle, calibration=calibration, provenance=provenance)

    def _prior(self, logits: npt.NDArray[np.float32], calibration: Calibration) -> AdaptationPrior:
        """Return the prior of places; the general one for a network that ranks most places wrongly."""
        log_odds = logits.astype(np.float64) / calibration.temperature + calibration.offset
        try:
            prior = AdaptationPrior.fit(log_odds, self.frames.positive, self.places, calibration.threshold)
        except ValueError:
            return AdaptationPrior().around(calibration.threshold)
        return prior.widened(PRIOR_WIDENING)


def _metrics(
    logits: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_], calibration: Calibration
) -> dict[str, Any]:
    """Return metrics of frames as plain JSON values."""
    counts = Counts.of(truth, calibration.flips(calibration.probabilities(logits)))
    return {
        "frames": len(truth),
        "auc": float(roc_auc_score(truth, logits)),
        "balanced_accuracy": counts.balanced_accuracy,
        "f1": counts.f1,
    }
