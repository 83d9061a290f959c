"""One scoring run: which models, which manifest, what is committed, what may resume.

Knows the layout of a run's directory; knows no Ray, no pixels and no metrics.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flipbatch import storage
from flipbatch.errors import InputError, OutputError
from flipbatch.models.bundle import Bundle, load_bundle
from flipbatch.runtime.run_directory import RUN_FILE, RunDirectory
from flipbatch.schema import PREDICTIONS
from flipbatch.scoring.build_manifest import MANIFEST_FOLDER, BuiltManifest
from flipbatch.scoring.shards import Plan

SHARDS_FOLDER = "shards"
BEFORE_RUN_FILE = frozenset({MANIFEST_FOLDER})

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_NAMED = re.compile(rf"(?P<name>{_NAME.pattern})=(?P<uri>.+)", re.DOTALL)
_SHARD = re.compile(r"(?P<shard>[0-9]{9})\.parquet")


@dataclass(frozen=True)
class ScoringModel:
    """A bundle as one run uses it.

    Attributes
    ----------
    bundle : Bundle
        Under the run's own name for it, with the run's threshold.
    fingerprint : str
        Of the bundle's files, as they lie in storage.
    """

    bundle: Bundle
    fingerprint: str

    @property
    def name(self) -> str:
        """What the model is called in this run's tables."""
        return self.bundle.name


def load_models(arguments: Sequence[str], threshold: float | None) -> list[ScoringModel]:
    """Load the bundles of ``--model``, each ``URI`` or ``NAME=URI``.

    Returns
    -------
    list of ScoringModel
        In the order of their names, however they were given: all shards of a run have their columns in one.

    Raises
    ------
    InputError
        Where two are called the same, or one so that no table or folder can be.
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
    """Read an argument of ``--model``: ``URI`` or ``NAME=URI``."""
    match = _NAMED.fullmatch(argument)
    return (match["name"], match["uri"]) if match else (None, argument)


def _load_model(argument: str, threshold: float | None) -> ScoringModel:
    name, uri = name_and_uri(argument)
    bundle, digest = load_bundle(uri)
    name = name or bundle.name
    if not _is_name(name):
        raise InputError(f"A model can't be called {name!r}: rename it with --model NAME={uri}.")
    calibration = bundle.calibration
    if threshold is not None:
        calibration = dataclasses.replace(calibration, threshold=threshold)
    return ScoringModel(dataclasses.replace(bundle, name=name, calibration=calibration), digest)


@dataclass(frozen=True)
class ScoringRun:
    """A run as its workers see it.

    Attributes
    ----------
    directory : RunDirectory
    manifest : str
        The folder of the manifest's parts.
    plan : Plan
    frames, videos, misnamed : int
        Their numbers.
    fingerprint : str
        Of the run: its command, models and manifest.
    models : dict of str to str
        Name to fingerprint of each model.
    thresholds : dict of str to float
        Name to threshold of each model.
    """

    directory: RunDirectory
    manifest: str
    plan: Plan
    frames: int
    videos: int
    misnamed: int
    fingerprint: str
    models: Mapping[str, str]
    thresholds: Mapping[str, float]

    def shard_path(self, shard: int) -> str:
        """Return where a shard is committed: a name that depends on the shard alone."""
        return self.directory.path(SHARDS_FOLDER, f"{shard:09d}.parquet")

    def has(self, shard: int) -> bool:
        """Say whether a shard is committed."""
        return storage.exists(self.shard_path(shard))

    def metadata(self, *models: str) -> dict[str, str]:
        """Return what a table of these models carries in its schema."""
        bundles = {f"flipbatch.bundle.{name}": self.models[name] for name in models or self.models}
        return {"flipbatch.run": self.fingerprint, **bundles}

    def committed(self) -> set[int]:
        """Return the shards that are done: what lies in the folder is the whole state."""
        names = storage.names_in(self.directory.path(SHARDS_FOLDER))
        return {int(match["shard"]) for match in map(_SHARD.fullmatch, names) if match}


def identity(
    frames: str | None,
    manifest: str | None,
    limit: int | None,
    models: Sequence[ScoringModel],
    manifest_digest: str | None = None,
) -> dict[str, Any]:
    """Return what makes a run this run and no other.

    A directory is listed once, so that what is added to it later belongs to another run; a manifest's
    file is known by its content, `manifest_digest`.
    """
    return {
        "command": "score",
        "frames": storage.redacted_uri(frames),
        "manifest": storage.redacted_uri(manifest),
        "manifest_digest": manifest_digest,
        "limit": limit,
        "models": {
            model.name: {"bundle": model.fingerprint, "threshold": model.bundle.calibration.threshold}
            for model in models
        },
    }


def begin_run(directory: RunDirectory, wanted: Mapping[str, Any], built: BuiltManifest) -> None:
    """Write ``run.json``, after the manifest; or find that another command has begun the same run."""
    facts = {
        "fingerprint": built.fingerprint,
        "frames": built.frames,
        "videos": built.videos,
        "misnamed": built.misnamed,
        "shards": built.plan.shards,
        "first_shards": list(built.plan.first_shards),
        "folder": built.folder,
    }
    directory.start(wanted, manifest=facts)


def read_run(directory: RunDirectory) -> ScoringRun:
    """Read the run that a directory holds: `RunDirectory.read_identity` has said that it is one.

    Raises
    ------
    OutputError
        Where its file is damaged.
    StorageError
    """
    run = directory.read_json(RUN_FILE)
    try:
        return _parse_run(directory, run)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{directory.path(RUN_FILE)} is damaged: {error!r}. Choose another --out."
        ) from error


def _parse_run(directory: RunDirectory, run: Mapping[str, Any]) -> ScoringRun:
    models, manifest = run["identity"]["models"], run["manifest"]
    return ScoringRun(
        directory=directory,
        manifest=directory.path(_inside(manifest["folder"])),
        plan=Plan(int(manifest["shards"]), tuple(int(shard) for shard in manifest["first_shards"])),
        frames=int(manifest["frames"]),
        videos=int(manifest["videos"]),
        misnamed=int(manifest["misnamed"]),
        fingerprint=str(run["fingerprint"]),
        models={_name(name): str(model["bundle"]) for name, model in models.items()},
        thresholds={name: float(model["threshold"]) for name, model in models.items()},
    )


def _inside(folder: str) -> str:
    if not re.fullmatch(rf"{MANIFEST_FOLDER}/[0-9a-f-]+", folder):
        msg = f"{folder!r} is no folder of a manifest"
        raise ValueError(msg)
    return folder


def _is_name(name: str) -> bool:
    return name not in PREDICTIONS.names and _NAME.fullmatch(name) is not None


def _name(name: str) -> str:
    if not _is_name(name):
        msg = f"no model can be called {name!r}"
        raise ValueError(msg)
    return name
