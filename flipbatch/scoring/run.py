"""One scoring run: its identity, its files, and which shards are committed.

Knows the layout of a run's directory: every path in it comes from `ScoringRun`. Does not know Ray, pixels,
engines or metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flipbatch import storage
from flipbatch.errors import FlipbatchError, OutputError
from flipbatch.frames.film_rows import ALL_FRAMES, Thinning
from flipbatch.runtime.run_directory import RUN_FILE, RunDirectory
from flipbatch.schema import SCHEMA_VERSION
from flipbatch.scoring.build_manifest import MANIFEST_FOLDER, MISNAMED_FILE, BuiltManifest
from flipbatch.scoring.models import ScoringModel, is_model_name
from flipbatch.scoring.place_offsets import Adaptation
from flipbatch.scoring.shards import Plan, part_name

ADAPTATION_FOLDER = "adaptation"
OFFSETS_FILE = "offsets.parquet"
"""In a folder of a first pass, below `ADAPTATION_FOLDER`."""

BEFORE_RUN_FILE = frozenset({MANIFEST_FOLDER, ADAPTATION_FOLDER})
"""What an interrupted start may leave in a run's directory."""

PREDICTIONS_FOLDER = "predictions"
VIDEOS_FOLDER = "videos"
EVENTS_FOLDER = "events"
STILLS_FOLDER = "stills"
SHARDS_FOLDER = "shards"
_SHARD = re.compile(r"(?P<shard>[0-9]{9})\.parquet")


@dataclass(frozen=True)
class PreviousRun:
    """The run that a run appends to: where its rows are.

    Attributes
    ----------
    manifest : str
        The folder of its manifest's parts.
    plan : Plan
    shards_folder : str
        The name of the folder of its shards.
    fingerprint : str
        Of the run.
    to_score : int
        Frames of this run that are not taken from it.
    """

    manifest: str
    plan: Plan
    shards_folder: str
    fingerprint: str
    to_score: int


@dataclass(frozen=True)
class ScoringRun:
    """A run as its workers see it.

    Attributes
    ----------
    directory : RunDirectory
    manifest : str
        The folder of the manifest's parts.
    plan : Plan
    frames, videos, labelled, misnamed : int
        Numbers of frames, of videos, of frames with a label, and of files that are not frames.
    run_fingerprint : str
        SHA-256 of the run's identity and manifest, 64 hexadecimal digits.
    bundle_fingerprints : dict of str to str
        By model.
    thresholds : dict of str to float
        By model.
    notes : tuple of str
        What users should know about the manifest, a sentence each.
    adaptation : Adaptation or None
        The offsets of the places; None without ``--adapt``.
    shards_folder : str
        The name of the folder of its shards.
    previous : PreviousRun or None
        The run that this one appends to.
    """

    directory: RunDirectory
    manifest: str
    plan: Plan
    frames: int
    videos: int
    labelled: int
    misnamed: int
    run_fingerprint: str
    bundle_fingerprints: Mapping[str, str]
    thresholds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    adaptation: Adaptation | None = None
    shards_folder: str = SHARDS_FOLDER
    previous: PreviousRun | None = None

    @property
    def models(self) -> list[str]:
        """The names of the models."""
        return list(self.bundle_fingerprints)

    def shard_path(self, shard: int) -> str:
        """Return where a shard is committed. The name depends on the shard alone."""
        return self.directory.path(self.shards_folder, shard_name(shard))

    def predictions_folder(self, model: str) -> str:
        """Return the folder of a model's predictions."""
        return self.directory.path(PREDICTIONS_FOLDER, _model_folder(model))

    def predictions_path(self, model: str, part: int) -> str:
        """Return the file of a model's predictions for a part."""
        return storage.join(self.predictions_folder(model), part_name(part))

    def videos_path(self, part: int) -> str:
        """Return the file of a part's videos, all models."""
        return self.directory.path(VIDEOS_FOLDER, part_name(part))

    def events_path(self, part: int) -> str:
        """Return the file of a part's page turns, all models."""
        return self.directory.path(EVENTS_FOLDER, part_name(part))

    def stills_path(self, part: int) -> str:
        """Return the file of a part's stills, all models."""
        return self.directory.path(STILLS_FOLDER, part_name(part))

    def table_folders(self) -> dict[str, set[str]]:
        """Return the folders of a finished run's tables, each with the names that it must have."""
        parts = {part_name(part) for part in self.plan.parts}
        folders = {self.predictions_folder(model): parts for model in self.models}
        models = {_model_folder(model) for model in self.models}
        of_all_models = (VIDEOS_FOLDER, EVENTS_FOLDER, STILLS_FOLDER)
        folders |= {self.directory.path(folder): parts for folder in of_all_models}
        return {self.directory.path(PREDICTIONS_FOLDER): models, **folders}

    def misnamed_path(self) -> str:
        """Return the manifest's list of misnamed files."""
        return storage.join(self.manifest, MISNAMED_FILE)

    def has(self, shard: int) -> bool:
        """Return whether a shard is committed."""
        return storage.exists(self.shard_path(shard))

    def committed(self) -> set[int]:
        """Return the committed shards. The files in the folder are the whole state."""
        names = storage.names_in(self.directory.path(self.shards_folder))
        return {int(match["shard"]) for match in map(_SHARD.fullmatch, names) if match}

    def missing_shards(self) -> list[int]:
        """Return the shards that are not committed, in order."""
        committed = self.committed()
        return [shard for shard in range(self.plan.shards) if shard not in committed]

    def metadata(self, *models: str) -> dict[str, str]:
        """Return the schema metadata of a table of these models, by default of all."""
        fingerprints = {
            f"flipbatch.bundle.{name}": self.bundle_fingerprints[name] for name in models or self.models
        }
        version = {"flipbatch.schema_version": str(SCHEMA_VERSION)}
        return {"flipbatch.run": self.run_fingerprint, **version, **fingerprints}


def shard_name(shard: int) -> str:
    """Return the file name of a committed shard."""
    return f"{shard:09d}.parquet"


def _model_folder(model: str) -> str:
    return f"model={model}"


# ---------------------------------------------------------------------------------------- start


def run_identity(
    frames: str | None,
    manifest: str | None,
    limit: int | None,
    models: Sequence[ScoringModel],
    manifest_digest: str | None = None,
    adapt: bool = False,
    thinning: Thinning = ALL_FRAMES,
) -> dict[str, Any]:
    """Return what a command must repeat to resume a run.

    A directory is listed once: files added later belong to another run. A manifest's file is identified by
    its content, `manifest_digest`. Only a run that adapts or thins out films says so, as runs of older
    versions say nothing.
    """
    return {
        **({"adapt": True} if adapt else {}),
        **thinning.to_json(),
        "command": "score",
        "frames": storage.redacted_uri(frames),
        "manifest": storage.redacted_uri(manifest),
        "manifest_digest": manifest_digest,
        "limit": limit,
        "models": {
            model.name: {"bundle": model.bundle_fingerprint, "threshold": model.threshold} for model in models
        },
    }


def model_names(identity: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the models in a run's identity; none without a run."""
    models = (identity or {}).get("models")
    return frozenset(models) if isinstance(models, Mapping) else frozenset()


def start_run(
    directory: RunDirectory,
    identity: Mapping[str, Any],
    built: BuiltManifest,
    adaptation: Mapping[str, Any] | None = None,
) -> None:
    """Write ``run.json``, after the manifest. If another command wrote it for the same run, keep that one.

    `adaptation`, what a first pass has found, is part of the run's fingerprint.

    Raises
    ------
    OutputError
        If another command has started another run here.
    """
    more = {"adaptation": adaptation} if adaptation else {}
    directory.start(identity, manifest=manifest_facts(built), **more)


def manifest_facts(built: BuiltManifest) -> dict[str, Any]:
    """Return ``manifest`` of ``run.json``."""
    return {
        "fingerprint": built.manifest_fingerprint,
        "frames": built.frames,
        "videos": built.videos,
        "labelled": built.labelled,
        "misnamed": built.misnamed,
        "shards": built.plan.shards,
        "first_shards": list(built.plan.first_shards),
        "folder": built.folder,
        "notes": list(built.notes),
    }


# ---------------------------------------------------------------------------------------- read


def read_run(directory: RunDirectory) -> ScoringRun:
    """Read the run of a directory that has a ``run.json`` of this schema version.

    Raises
    ------
    OutputError
        If the file is damaged.
    StorageError
    """
    run = directory.read_run_file()
    try:
        return _parse_run(directory, run)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{directory.path(RUN_FILE)} is damaged: {error!r}. Choose another --out."
        ) from error


def require_current(run: ScoringRun) -> None:
    """Refuse to go on with a run in whose place another command has started another one: ``--append``.

    Raises
    ------
    OutputError
    StorageError
    """
    if run.directory.read_run_file()["fingerprint"] != run.run_fingerprint:
        raise OutputError(
            f"Another command has taken up new frames in {run.directory.uri} meanwhile: run this command "
            "again when it has ended."
        )


@contextmanager
def current(run: ScoringRun) -> Iterator[None]:
    """Check before the block, and where it fails, that no other run has taken the place of this one.

    Files of this run may be gone then: the error says why.

    Raises
    ------
    OutputError
    StorageError
    """
    require_current(run)
    try:
        yield
    except FlipbatchError:
        require_current(run)
        raise


def _parse_run(directory: RunDirectory, run: Mapping[str, Any]) -> ScoringRun:
    models, manifest = run["identity"]["models"], run["manifest"]
    return ScoringRun(
        directory=directory,
        manifest=directory.path(_folder_of(MANIFEST_FOLDER, manifest["folder"])),
        plan=_plan(manifest),
        frames=int(manifest["frames"]),
        videos=int(manifest["videos"]),
        labelled=int(manifest["labelled"]),
        misnamed=int(manifest["misnamed"]),
        run_fingerprint=str(run["fingerprint"]),
        bundle_fingerprints={_model_name(name): str(model["bundle"]) for name, model in models.items()},
        thresholds={name: float(model["threshold"]) for name, model in models.items()},
        notes=tuple(map(str, manifest.get("notes", ()))),
        adaptation=_adaptation(directory, run),
        shards_folder=_shards_folder(run.get("shards_folder", SHARDS_FOLDER)),
        previous=_previous(directory, run.get("previous")),
    )


def _plan(manifest: Mapping[str, Any]) -> Plan:
    return Plan(int(manifest["shards"]), tuple(int(shard) for shard in manifest["first_shards"]))


def _shards_folder(name: str) -> str:
    if not re.fullmatch(rf"{SHARDS_FOLDER}(-[0-9a-f]+)?", name):
        raise ValueError(f"{name!r} is not a folder of shards")
    return name


def _previous(directory: RunDirectory, previous: Mapping[str, Any] | None) -> PreviousRun | None:
    if previous is None:
        return None
    manifest = previous["manifest"]
    return PreviousRun(
        manifest=directory.path(_folder_of(MANIFEST_FOLDER, manifest["folder"])),
        plan=_plan(manifest),
        shards_folder=_shards_folder(previous["shards_folder"]),
        fingerprint=str(previous["fingerprint"]),
        to_score=int(previous["new"]) + int(previous["replaced"]),
    )


def _adaptation(directory: RunDirectory, run: Mapping[str, Any]) -> Adaptation | None:
    if not run["identity"].get("adapt"):
        return None
    facts = dict(run["adaptation"])
    folder = _folder_of(ADAPTATION_FOLDER, facts.pop("folder"))
    return Adaptation(directory.path(folder, OFFSETS_FILE), str(facts.pop("digest")), facts)


def _folder_of(parent: str, folder: str) -> str:
    if not re.fullmatch(rf"{parent}/[0-9a-f-]+", folder):
        raise ValueError(f"{folder!r} is not a folder in {parent}")
    return folder


def _model_name(name: str) -> str:
    if not is_model_name(name):
        raise ValueError(f"{name!r} can't be the name of a model")
    return name
