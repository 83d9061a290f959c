"""The models of a run: bundles as ``--model`` names them.

Knows bundles, names and thresholds. Does not know runs, manifests or engines.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from flipbatch.errors import InputError
from flipbatch.models.bundle import Bundle, load_bundle
from flipbatch.schema import PREDICTIONS

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_NAME_AND_URI = re.compile(rf"(?P<name>{_NAME.pattern})=(?P<uri>.+)", re.DOTALL)


@dataclass(frozen=True)
class ScoringModel:
    """A bundle as one run uses it.

    Attributes
    ----------
    bundle : Bundle
        With the run's name and the run's threshold.
    bundle_fingerprint : str
        SHA-256 of the bundle's files in storage, 64 hexadecimal digits.
    """

    bundle: Bundle
    bundle_fingerprint: str

    @property
    def name(self) -> str:
        """The model's name in the run's tables."""
        return self.bundle.name

    @property
    def threshold(self) -> float:
        """The probability from which on a frame is ``flip``."""
        return self.bundle.calibration.threshold


def load_models(arguments: Sequence[str], threshold: float | None) -> list[ScoringModel]:
    """Load the bundles of ``--model``, each ``URI`` or ``NAME=URI``.

    Returns
    -------
    list of ScoringModel
        Sorted by name, so that the shards of a run have one order of columns.

    Raises
    ------
    InputError
        If two models have one name, or a name can't be a column and a folder.
    BundleError, StorageError
    """
    models: dict[str, ScoringModel] = {}
    for argument in arguments:
        model = _load_model(argument, threshold)
        if model.name in models:
            raise InputError(
                f"Two models are called {model.name}: rename one with --model NAME=URI, for example "
                f"--model {model.name}_2={name_and_uri(argument)[1]}."
            )
        models[model.name] = model
    return [models[name] for name in sorted(models)]


def name_and_uri(argument: str) -> tuple[str | None, str]:
    """Parse an argument of ``--model``: ``URI`` or ``NAME=URI``."""
    match = _NAME_AND_URI.fullmatch(argument)
    return (match["name"], match["uri"]) if match else (None, argument)


def is_model_name(name: str) -> bool:
    """Return whether a model can have this name: it is a column and part of a folder's name."""
    return name not in PREDICTIONS.names and _NAME.fullmatch(name) is not None


def _load_model(argument: str, threshold: float | None) -> ScoringModel:
    name, uri = name_and_uri(argument)
    bundle, fingerprint = load_bundle(uri)
    name = name or bundle.name
    if not is_model_name(name):
        raise InputError(f"A model can't be called {name!r}: rename it with --model NAME={uri}.")
    calibration = bundle.calibration
    if threshold is not None:
        calibration = dataclasses.replace(calibration, threshold=threshold)
    return ScoringModel(dataclasses.replace(bundle, name=name, calibration=calibration), fingerprint)
