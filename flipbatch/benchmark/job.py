"""The benchmark: measures everything in each repeat, so that noise affects all figures alike.

Knows the order of the measurements and the rates that are compared. Does not know how a figure is measured:
the other modules of this package do that.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

# Ray reads it when it starts workers. By default they run at a lower priority than other processes.
os.environ.setdefault("RAY_worker_niceness", "0")

import pyarrow.compute
import pyarrow.parquet as pq
import torch

from flipbatch.benchmark import baselines, command, scale, stages, training
from flipbatch.benchmark.cores import all_cores, core_count
from flipbatch.benchmark.figures import Figures
from flipbatch.benchmark.parity import frames_with_other_pixels, parity
from flipbatch.benchmark.scoring import repeated, steady_rate
from flipbatch.errors import InputError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.film_uris import film_frame
from flipbatch.frames.load import load_frames
from flipbatch.frames.manifest import load_manifest
from flipbatch.models.architectures import ARCHITECTURES, EIGHTH, architecture
from flipbatch.models.bundle import Bundle, as_arrays, save_bundle
from flipbatch.models.precision import has_bfloat16
from flipbatch.models.pretrained import locate_bundle
from flipbatch.runtime.native_decoder import MODULE
from flipbatch.runtime.ray_connection import connected
from flipbatch.runtime.versions import versions
from flipbatch.schema import Label
from flipbatch.scoring.models import ScoringModel, load_models, name_and_uri
from flipbatch.scoring.shards import MOST_FRAMES_PER_SHARD
from flipbatch.training.recipes import recipe_for

pc: Any = pyarrow.compute  # its functions are made at import: type checkers know none

log = logging.getLogger(__name__)

STAGE_SECONDS = 6.0
"""Duration of a measurement of decoding."""

PAIRS = (
    ("decode", "decode_limit"),
    ("decode_gpu", "decode"),
    ("score_cnn_model", "decode"),
    ("score_cnn_model", "decode_limit"),
    ("score_mobilenet_v2", "decode_limit"),
    ("forward_cnn_model", "decode_limit"),
    ("score_cnn_model", "naive_cnn_model"),
    ("score_cnn_model", "naive_mobilenet_v2"),
    ("score_mobilenet_v2", "naive_mobilenet_v2"),
    ("score_both", "score_mobilenet_v2"),
    ("score_films_cnn_model", "decode_films"),
    ("score_films_mobilenet_v2", "decode_films"),
    ("score_cnn_model", "torch_loader_cnn_model"),
    ("score_mobilenet_v2", "torch_loader_mobilenet_v2"),
    ("score_mobilenet_v2", "daft_mobilenet_v2"),
    ("train_cnn_model", "ordinary_train_cnn_model"),
    ("train_mobilenet_v2", "ordinary_train_mobilenet_v2"),
    ("train_head_mobilenet_v2", "ordinary_train_mobilenet_v2"),
)
"""Rates whose medians are divided, the first by the second.

The job and the networks are compared with decoding alone, which no job can exceed: by flipbatch's decoder
(`decode`), by simplejpeg (`decode_limit`), the limit of former versions, and on a GPU, if there is one.
The job is compared with baselines of the same model, and with Ray Data's usual code for the other model;
both models at once with the slower one alone; a training epoch with that of a DataLoader loop. A pair of
which one is not measured is left out.
"""


@dataclass(frozen=True)
class BenchmarkOptions:
    """The options of the command line.

    Attributes
    ----------
    frames, manifest : str or None
        The frames to measure with; one of the two is given.
    models : tuple of str
        Bundles, each ``URI`` or ``NAME=URI``; an empty tuple means untrained ones.
    repeats, shards, sample : int
        Number of repeats, of the job's shards, and of the slow baselines' frames.
    baselines : tuple of str
        Other software to measure: ``daft``.
    scale : bool
        Whether to measure up to a million files as well.
    films : str or None
        Films to measure with as well.
    """

    models: tuple[str, ...]
    repeats: int
    shards: int
    sample: int
    baselines: tuple[str, ...]
    scale: bool
    frames: str | None = None
    manifest: str | None = None
    films: str | None = None


class _Setting(NamedTuple):
    """The input of all measurements."""

    options: BenchmarkOptions
    uris: tuple[str, ...]
    labels: tuple[str | None, ...]
    models: list[ScoringModel]
    bundles: dict[str, str]
    folder: Path
    film_frames: tuple[str, ...] = ()


def benchmark(options: BenchmarkOptions) -> Iterator[str]:
    """Measure everything.

    Yields
    ------
    str
        A table, and as the last line one JSON object.

    Raises
    ------
    FlipbatchError
        The message says what to do.
    """
    figures = Figures(_machine())
    with tempfile.TemporaryDirectory(prefix="flipbatch-benchmark-") as name:
        setting = _prepare(options, Path(name))
        _measure_parity(setting, figures)
        for repeat in range(options.repeats):
            log.info("repeat %d of %d", repeat + 1, options.repeats)
            _measure_stages(setting, figures)
            _measure_scoring(setting, figures, repeat)
            _measure_stages(setting, figures)  # a second time: a drift of the machine's speed affects both
            _measure_films(setting, figures, repeat)
            _measure_training(setting, figures)
        _measure_command(setting, figures)
        if options.scale:
            figures.scale = scale.measure(setting.bundles, setting.uris, setting.folder)
    yield figures.table(PAIRS)
    yield figures.to_json(PAIRS)


def _machine() -> dict[str, Any]:
    known = versions()
    return {
        "date": date.today().isoformat(),
        "cpu": _cpu_name(),
        "cores": core_count(),
        "bfloat16": has_bfloat16(),
        **{name: known[name] for name in ("python", "ray", "torch", "openvino", "simplejpeg", MODULE)},
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def _prepare(options: BenchmarkOptions, folder: Path) -> _Setting:
    rows = load_manifest(options.frames, options.manifest).frames
    loaded = load_frames(rows["uri"].to_pylist(), [EIGHTH])[EIGHTH]
    good = [row for row, ok in zip(rows.to_pylist(), loaded.ok.tolist(), strict=True) if ok]
    if not good:
        raise InputError("No frame can be decoded: give --frames with readable images.")
    given = options.models or [_untrained(name, folder) for name in ARCHITECTURES]
    models = load_models(given, None)
    return _Setting(
        options,
        tuple(row["uri"] for row in good),
        tuple(row["label"] for row in good),
        models,
        {model.name: model.uri for model in models},
        folder,
        _film_frames(options.films),
    )


def _film_frames(films: str | None) -> tuple[str, ...]:
    if films is None:
        return ()
    rows = load_manifest(films, None).frames
    return tuple(rows.filter(pc.is_valid(rows["seconds"]))["uri"].to_pylist())


def _untrained(name: str, folder: Path) -> str:
    chosen = architecture(name)
    weights = as_arrays(chosen.build().state_dict())
    uri = str(folder / "bundles" / name)
    save_bundle(Bundle(name, name, chosen.input_size, Calibration(), weights), uri)
    return uri


def _measure_parity(setting: _Setting, figures: Figures) -> None:
    found = [parity(model.bundle, setting.uris, setting.labels) for model in setting.models]
    changes = [one["f1_change"] for one in found if one["f1_change"] is not None]
    largest = max(float(one["largest_probability_change"] or 0) for one in found)
    figures.parity = {
        "f1_change": max(changes, default=None),
        "largest_probability_change": largest,
        "frames_with_other_pixels_than_simplejpeg": frames_with_other_pixels(setting.uris),
    }


def _measure_stages(setting: _Setting, figures: Figures) -> None:
    shard = _fill(setting.uris, MOST_FRAMES_PER_SHARD)
    with all_cores() as cores:
        figures.add("read", cores.rate(stages.read, shard, seconds=1.0))
        for name, stage in (("decode_limit", stages.decode_by_simplejpeg), ("decode", stages.decode)):
            figures.add(name, cores.rate(stage, shard, EIGHTH, seconds=STAGE_SECONDS))
        for name, uri in setting.bundles.items():
            bundle = locate_bundle(name_and_uri(uri)[1])
            figures.add(f"forward_{name}", cores.rate(stages.forward, bundle, shard[:64], seconds=3.0))
    if torch.cuda.is_available():
        with all_cores(1) as one:  # a GPU is fed by one process
            figures.add("decode_gpu", one.rate(stages.decode_on_gpu, shard, EIGHTH, seconds=STAGE_SECONDS))


def _fill(uris: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(uris[index % len(uris)] for index in range(count))


def _measure_scoring(setting: _Setting, figures: Figures, repeat: int) -> None:
    options, folder = setting.options, setting.folder / str(repeat)
    folder.mkdir()
    frames = repeated(setting.uris, setting.labels, options.shards * MOST_FRAMES_PER_SHARD)
    sample = _fill(setting.uris, options.sample)
    chosen = {model.name: [model] for model in setting.models}
    if len(setting.models) > 1:
        chosen["both"] = setting.models
    with connected():
        for name, models in chosen.items():
            steady = steady_rate(models, frames, folder / f"score_{name}")
            figures.add(f"score_{name}", steady.rate)
            figures.memory_mb["object_store_bytes_per_frame"] = steady.object_store_bytes
        for model in setting.models:
            out = str(folder / f"naive_{model.name}")
            figures.add(f"naive_{model.name}", baselines.naive(model.bundle, sample, out, core_count()))


def _measure_films(setting: _Setting, figures: Figures, repeat: int) -> None:
    """Decode films with nothing around it, then score them as the job does."""
    if not setting.film_frames:
        return
    films = tuple(dict.fromkeys(frame.film for frame in map(film_frame, setting.film_frames) if frame))
    with all_cores() as cores:
        figures.add("decode_films", cores.rate(stages.decode_films, films, seconds=STAGE_SECONDS))
    # A repeat of all films is a video: as in a run, a shard begins at a key frame.
    count, of_all = setting.options.shards * MOST_FRAMES_PER_SHARD // 4, len(setting.film_frames)
    frames = repeated(setting.film_frames, [None], count, of_all)
    with connected():
        for model in setting.models:
            out = setting.folder / str(repeat) / f"score_films_{model.name}"
            figures.add(f"score_films_{model.name}", steady_rate([model], frames, out).rate)


def _measure_training(setting: _Setting, figures: Figures) -> None:
    sample, cores = _fill(setting.uris, setting.options.sample), core_count()
    frames = repeated(setting.uris, _both_labels(setting.labels), len(sample))
    cache = training.cached(frames, EIGHTH)
    for model in setting.models:
        name, bundle = model.name, model.bundle
        figures.add(f"torch_loader_{name}", baselines.torch_loader(bundle, sample, cores))
        if "daft" in setting.options.baselines:
            with tempfile.TemporaryDirectory() as out:
                figures.add(f"daft_{name}", baselines.daft(bundle, sample, out))
        pretrained = architecture(bundle.architecture).pretrained
        recipe = replace(recipe_for(bundle.architecture, pretrained), frozen_epochs=0)
        figures.add(f"train_{name}", training.our_epochs(bundle, cache, recipe, cores))
        if pretrained:
            head = replace(recipe, frozen_epochs=3)
            figures.add(f"train_head_{name}", training.our_epochs(bundle, cache, head, cores))
        figures.add(f"ordinary_train_{name}", training.ordinary_epoch(bundle, sample, cores))


def _both_labels(labels: Sequence[str | None]) -> list[str]:
    return [label or (Label.FLIP, Label.NOTFLIP)[row % 2] for row, label in enumerate(labels)]


def _measure_command(setting: _Setting, figures: Figures) -> None:
    """Start the score command with all models, once per repeat, after the other measurements."""
    manifest = setting.folder / "frames.parquet"
    frames = repeated(setting.uris, setting.labels, 40 * MOST_FRAMES_PER_SHARD)
    pq.write_table(frames, manifest)
    models = [f"{name}={uri}" for name, uri in setting.bundles.items()]
    runs = []
    for repeat in range(setting.options.repeats):
        out = setting.folder / f"command{repeat}"
        arguments = [*command.SCORE_COMMAND, "--manifest", str(manifest), "--out", str(out), "--model"]
        runs.append(command.start([*arguments, *models], out))
    figures.seconds["command_to_first_shard"] = sorted(one.first_shard for one in runs)[len(runs) // 2]
    figures.seconds["last_shard_to_success"] = sorted(one.last_to_success for one in runs)[len(runs) // 2]
    figures.memory_mb["driver"] = max(one.driver_mb for one in runs)
    figures.memory_mb["worker"] = max(one.worker_mb for one in runs)
