"""The models of a run: bundles as ``--model`` names them.

Knows bundles, names and thresholds. Does not know runs, manifests or engines.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flipbatch.errors import InputError
from flipbatch.evaluation.threshold import UNDECIDED
from flipbatch.models.bundle import Bundle, load_bundle
from flipbatch.schema import FRAME_FACTS, PREDICTIONS
from flipbatch.storage.hive_folders import is_text

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST_NAME = 128
"""File systems take 255 bytes for a folder, which is ``model=NAME``; a table of many models has long rows."""

_COLUMNS = frozenset({"group", *PREDICTIONS.names, *FRAME_FACTS.names})
"""Of shards, beside those of the models."""

_NAME_AND_URI = re.compile(r"(?P<name>[^/=]*)=(?P<uri>.+)", re.DOTALL)


@dataclass(frozen=True)
class ScoringModel:
    """A bundle as one run uses it.

    Attributes
    ----------
    bundle : Bundle
        With the run's name and the run's threshold.
    bundle_fingerprint : str
        SHA-256 of the bundle's files in storage, 64 hexadecimal digits.
    own_threshold : float
        The bundle's own threshold.
    uri : str
        The bundle's, as it was given.
    """

    bundle: Bundle
    bundle_fingerprint: str
    own_threshold: float = UNDECIDED
    uri: str = ""

    @property
    def name(self) -> str:
        """The model's name in the run's tables."""
        return self.bundle.name

    @property
    def threshold(self) -> float:
        """The probability from which on a frame is ``flip``."""
        return self.bundle.calibration.threshold


def load_models(
    arguments: Sequence[str], threshold: float | None, known: Collection[str] = ()
) -> list[ScoringModel]:
    """Load the bundles of ``--model``, each ``URI`` or ``NAME=URI``.

    Parameters
    ----------
    arguments : sequence of str
    threshold : float or None
        Replaces each bundle's own.
    known : collection of str
        Names of the run that is resumed: they stay as they are.

    Returns
    -------
    list of ScoringModel
        Sorted by name, so that the shards of a run have one order of columns.

    Raises
    ------
    InputError
        If two models have one name, or names that differ in case only; if a name can't be a column and a
        folder, or if programs that read the tables would take it for something other than text.
    BundleError, StorageError
    """
    models: dict[str, ScoringModel] = {}
    for argument in arguments:
        model = _load_model(argument, threshold, known)
        _require_other_name(model.name, models, argument, known)
        models[model.name] = model
    return [models[name] for name in sorted(models)]


def name_and_uri(argument: str) -> tuple[str | None, str]:
    """Parse an argument of ``--model``: ``URI`` or ``NAME=URI``."""
    match = _NAME_AND_URI.fullmatch(argument)
    return (match["name"], match["uri"]) if match else (None, argument)


def is_model_name(name: str) -> bool:
    """Return whether a model can have this name: it is a column and part of a folder's name."""
    return name not in _COLUMNS and _NAME.fullmatch(name) is not None


def _load_model(argument: str, threshold: float | None, known: Collection[str]) -> ScoringModel:
    name, uri = name_and_uri(argument)
    if name is not None:
        _require_name(name, uri, known)
    bundle, fingerprint = load_bundle(uri)
    name = name or bundle.name
    _require_name(name, uri, known)
    calibration = bundle.calibration
    own = calibration.threshold
    if threshold is not None:
        calibration = dataclasses.replace(calibration, threshold=threshold)
    bundle = dataclasses.replace(bundle, name=name, calibration=calibration)
    return ScoringModel(bundle, fingerprint, own, uri)


# ---------------------------------------------------------------------------------------- names


def _require_name(name: str, uri: str, known: Collection[str]) -> None:
    if not is_model_name(name):
        raise InputError(
            f"A model can't be called {name!r}, because its name is a folder and a column: rename it with "
            f"--model NAME={uri}, where NAME has letters of ASCII, digits, _, - and dots, and is not a "
            "column of the tables."
        )
    if name not in known and len(name) > _LONGEST_NAME:
        raise InputError(
            f"A model's name of {len(name)} characters is too long for a folder: rename it with --model "
            f"NAME={uri}, with at most {_LONGEST_NAME}."
        )
    if name not in known and not is_text(name):
        raise InputError(
            f"A model can't be called {name!r}, because programs that read the tables take it for a number, "
            f"a date, a truth value or null: rename it with --model NAME={uri}, for example --model "
            f"model_{name}={uri}."
        )


def _require_other_name(name: str, others: Collection[str], argument: str, known: Collection[str]) -> None:
    """Refuse a name that another model has; some file systems and SQL see no difference in case."""
    for other in others:
        if other == name or (other.lower() == name.lower() and not {other, name} <= set(known)):
            both = name if other == name else f"{other} and {name}, which differ in case only"
            raise InputError(
                f"Two models are called {both}: rename one with --model NAME=URI, for example "
                f"--model {name}_2={name_and_uri(argument)[1]}."
            )
