"""Training as a Ray job: Ray Data decodes the frames once, Ray Train fits each model on them.

One of the modules that know Ray. Knows how the rooms of training are put together; what happens in
an epoch, on a split or in a bundle is theirs.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.fs
import ray
import ray.data
import ray.train
import ray.train.torch
import torch
from ray.data.dataset import MaterializedDataset
from ray.exceptions import RayError
from ray.util.queue import Empty, Queue

from flipbatch import storage
from flipbatch.errors import InputError, OutputError, StorageError, redacted
from flipbatch.frames.decode import InputSize
from flipbatch.frames.manifest import load_manifest
from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.models.architectures import ARCHITECTURES, architecture
from flipbatch.models.bundle import MODEL_CARD_FILE, Bundle, as_arrays, load_bundle, save_bundle
from flipbatch.models.mobilenet_v2 import MobileNetV2, read_weights
from flipbatch.runtime.ray_connection import user_errors, warn_without_gpu
from flipbatch.runtime.run_directory import RunDirectory, require_same_identity
from flipbatch.schema import FAILURES, TRANSIENT, Label, Split, Status
from flipbatch.storage.parquet import write_table
from flipbatch.training.assess import ScoredFrame, calibrate, measure_all, reliability, scored_frames
from flipbatch.training.comparison import compare
from flipbatch.training.distributed import rank, sum_over_ranks
from flipbatch.training.epoch import Loss, evaluate
from flipbatch.training.fit import Checkpoint, Fit, Fitted, Settings, describe
from flipbatch.training.frame_cache import Batch, FrameCache, cache_rows, decode_rows
from flipbatch.training.process_settings import set_up
from flipbatch.training.recipes import Recipe, recipe_for
from flipbatch.training.splits import SplitFrames, split_frames

log = logging.getLogger(__name__)

MAX_BLOCKS = 1000
FRAMES_A_BLOCK = 64
DECODED_AT_A_TIME = 256
WORKER_FAILURES = 3
MOST_UNREAD = 0.05
"""Share of frames that storage may withhold; as much as scoring allows by default."""

CHECKPOINTS_FOLDER = "checkpoints"
FAILURES_FILE = "failures.parquet"
_CHECKPOINT_FILE = "checkpoint.pt"
_NO_FILE = ("imagenet", "none")
_BEFORE_RUN_FILE = frozenset({"splits.parquet", "misnamed.parquet"})


@dataclass(frozen=True)
class TrainOptions:
    """What the command line may say.

    Attributes
    ----------
    frames, manifest : str or None
        One of the two: where the labelled frames are.
    out : str
        Output directory, any URI.
    models : tuple of str
        Architectures to train.
    weights : str
        What `mobilenet_v2` starts from: ``imagenet``, ``none`` or a URI.
    settings : Settings
    workers : int
        Ray Train workers.
    gpu : bool
        Whether each worker takes a GPU.
    resume : bool
        Whether to go on with the run in `out`.
    notes : tuple of str
        What the bundles' records should say beside: warnings of the caller.
    """

    out: str
    frames: str | None = None
    manifest: str | None = None
    models: tuple[str, ...] = tuple(ARCHITECTURES)
    weights: str = "imagenet"
    settings: Settings = field(default_factory=Settings)
    workers: int = 1
    gpu: bool = False
    resume: bool = False
    notes: tuple[str, ...] = ()


def train(options: TrainOptions) -> dict[str, Any]:
    """Train each model and compare them.

    Returns
    -------
    dict
        What ``comparison.json`` says.

    Raises
    ------
    FlipbatchError
        Its message says what to do.
    """
    directory = RunDirectory.at(options.out)
    found = _found_run(directory, options)
    finished = directory.is_finished
    pretrained = None if finished else _pretrained(options)
    manifest = load_manifest(options.frames, options.manifest)
    splits = split_frames(manifest.frames, options.settings.seed)
    data = _data_record(splits, options)
    identity = _identity(options, data["fingerprint"])
    if found is None:
        write_table(manifest.misnamed, directory.path("misnamed.parquet"))
        write_table(splits.table(), directory.path("splits.parquet"))
        directory.start(identity, warnings=[*options.notes, *splits.warnings])
    else:
        require_same_identity(directory.uri, found, identity)
    _log_inputs(splits, manifest.misnamed.num_rows)
    if options.gpu:
        warn_without_gpu()
    if not finished:
        with user_errors("The same command with --resume goes on after the last epoch."):
            _train_models(directory, options, splits, data, pretrained)
        comparison = compare({name: _bundle(directory, name).provenance for name in options.models})
        directory.write_json("comparison.json", comparison)
        storage.remove_folder(directory.path(CHECKPOINTS_FOLDER))
        directory.finish()
    return directory.read_json("comparison.json")


def _found_run(directory: RunDirectory, options: TrainOptions) -> dict[str, Any] | None:
    found = directory.read_identity(_BEFORE_RUN_FILE)
    if found is not None and not options.resume:
        raise OutputError(
            f"{directory.uri} holds a training run: add --resume to go on with it, or choose another --out."
        )
    return found


def _pretrained(options: TrainOptions) -> dict[str, torch.Tensor] | None:
    wanted = any(architecture(name).pretrained for name in options.models) and options.weights != "none"
    return read_weights(options.weights) if wanted else None


def _identity(options: TrainOptions, data_fingerprint: str) -> dict[str, Any]:
    return {
        "command": "train",
        "frames": storage.redacted_uri(options.frames),
        "manifest": storage.redacted_uri(options.manifest),
        "models": list(options.models),
        "weights": options.weights if options.weights in _NO_FILE else storage.redacted_uri(options.weights),
        "weights_digest": _weights_digest(options.weights),
        "data_fingerprint": data_fingerprint,
        **{name: getattr(options.settings, name) for name in ("epochs", "patience", "min_delta", "seed")},
    }


def _weights_digest(weights: str) -> str | None:
    return None if weights in _NO_FILE else storage.digest(storage.normalise(weights), "the weights")


def _log_inputs(splits: SplitFrames, misnamed: int) -> None:
    for split in Split:
        frames = splits.of(split)
        flips = frames["label"].to_pylist().count(Label.FLIP)
        videos = len(frames["video_id"].unique())
        log.info("%-5s %7d frames of %5d videos, %d flip", split, frames.num_rows, videos, flips)
    if misnamed:
        log.warning("%d files are no frames: they are listed in misnamed.parquet.", misnamed)
    for warning in splits.warnings:
        log.warning("%s", warning)


def _bundle(directory: RunDirectory, name: str) -> Bundle:
    return load_bundle(directory.path("models", name))[0]


# ---------------------------------------------------------------------------------------- decode


def _train_models(
    directory: RunDirectory,
    options: TrainOptions,
    splits: SplitFrames,
    data: dict[str, Any],
    pretrained: dict[str, torch.Tensor] | None,
) -> None:
    names = [n for n in options.models if not storage.exists(directory.path("models", n, MODEL_CARD_FILE))]
    decoded: dict[InputSize, dict[str, MaterializedDataset]] = {}
    trained = splits.of(Split.TRAIN)["video_id"].unique().to_pylist()
    for name in names:
        size = architecture(name).input_size
        if size not in decoded:
            decoded[size] = _decode(splits, size, options.workers)
            data = {**data, **_check_decoded(directory, decoded[size], options.workers)}
        weights = pretrained if architecture(name).pretrained else None
        _train_model(directory, options, name, decoded[size], data, trained, weights)


def _decode(splits: SplitFrames, size: InputSize, workers: int) -> dict[str, MaterializedDataset]:
    """Decode every split once, into Ray's object store: small pixels, never a full frame."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    return {split: _decode_split(cache_rows(splits.of(split)), size, workers) for split in Split}


def _decode_split(rows: pa.Table, size: InputSize, workers: int) -> MaterializedDataset:
    # Not in the order of videos: each worker's share should hold all sorts of frames.
    shuffled = rows.take(_permutation(rows.num_rows))
    cuts = _block_cuts(rows.num_rows, workers)
    dataset = ray.data.from_arrow([shuffled.slice(a, b - a) for a, b in pairwise(cuts) if a < b])
    decode = cast(Callable[[Any], Any], partial(decode_rows, size=size))
    return dataset.map_batches(decode, batch_size=None).materialize()


def _block_cuts(rows: int, workers: int) -> list[int]:
    """Cut rows into blocks, as many a worker, as even as can be: a worker is given whole blocks."""
    blocks_a_worker = math.ceil(rows / workers / max(FRAMES_A_BLOCK, math.ceil(rows / MAX_BLOCKS)))
    blocks = workers * max(1, blocks_a_worker)
    return [rows * block // blocks for block in range(blocks + 1)]


def _permutation(count: int) -> list[int]:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()


def _check_decoded(
    directory: RunDirectory, decoded: Mapping[str, MaterializedDataset], workers: int
) -> dict[str, Any]:
    """List the frames that could not be decoded; return how many each split has and lacks."""
    outcomes = {split: pa.concat_tables(_outcomes(dataset)) for split, dataset in decoded.items()}
    of_all = pa.concat_tables(outcomes.values())
    _write_failures(directory, of_all)
    _require_storage(of_all)
    for split, name in ((Split.TRAIN, "training"), (Split.VAL, "validation")):
        left = set(outcomes[split].filter(pa.array(_is_ok(outcomes[split])))["positive"].to_pylist())
        if missing := {True, False} - left:
            label = Label.FLIP if True in missing else Label.NOTFLIP
            raise InputError(f"No {label} frame of the {name} split can be decoded: see failures.parquet.")
    for share in decoded[Split.TRAIN].split(workers):
        if not any(_is_ok(table).any() for table in _outcomes(share)):
            raise InputError(f"There are too few training frames for {workers} workers: use fewer --workers.")
    counts = {split: int(_is_ok(table).sum()) for split, table in outcomes.items()}
    return {
        "frames": counts,
        "failed": {split: table.num_rows - counts[split] for split, table in outcomes.items()},
    }


def _write_failures(directory: RunDirectory, outcomes: pa.Table) -> None:
    failures = outcomes.filter(pa.array(~_is_ok(outcomes))).select(FAILURES.names).cast(FAILURES)
    if failures.num_rows:
        write_table(failures.sort_by("uri"), directory.path(FAILURES_FILE))
        log.warning("%d frames can't be decoded: they are listed in failures.parquet.", failures.num_rows)
    else:
        storage.remove_file(directory.path(FAILURES_FILE))  # a try before this one may have left it


def _require_storage(outcomes: pa.Table) -> None:
    """Refuse to train on what is left where storage gave too little: it would be other data."""
    lost = sum(status in TRANSIENT for status in outcomes["status"].to_pylist())
    if lost > MOST_UNREAD * outcomes.num_rows:
        raise StorageError(
            f"{lost} of {outcomes.num_rows} frames are missing or unreadable, more than {MOST_UNREAD:.0%}: "
            f"see {FAILURES_FILE}. The same command with --resume goes on once they can be."
        )


def _is_ok(outcomes: pa.Table) -> npt.NDArray[np.bool_]:
    return np.array([status == Status.OK for status in outcomes["status"].to_pylist()], dtype=bool)


def _outcomes(dataset: MaterializedDataset) -> Iterable[pa.Table]:
    columns = dataset.select_columns(["uri", "status", "error", "positive"])
    return cast(Iterable[pa.Table], columns.iter_batches(batch_format="pyarrow"))


# ---------------------------------------------------------------------------------------- fit


class _SplitEvenly(ray.train.DataConfig):
    """Give each worker its share of every dataset, all rows of the whole: none is dropped to equalise."""

    def configure(
        self, datasets: dict[str, Any], world_size: int, *_: object, **__: object
    ) -> list[dict[str, Any]]:
        shards: list[dict[str, Any]] = [{} for _ in range(world_size)]
        for name, dataset in datasets.items():
            # Whole blocks: cutting one would take a task, and the workers hold all CPUs by now.
            for shard, part in zip(shards, dataset.split(world_size), strict=True):
                shard[name] = part.iterator()
        return shards


def _train_model(
    directory: RunDirectory,
    options: TrainOptions,
    name: str,
    decoded: dict[str, MaterializedDataset],
    data: dict[str, Any],
    trained_videos: list[str],
    pretrained: dict[str, torch.Tensor] | None,
) -> None:
    cpus = cpus_per_worker([node["Resources"] for node in ray.nodes() if node["Alive"]], options)
    # Reporting an epoch waits for the controller's next look at its workers: 2 s by default.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    with _epochs_printed(name, options.settings.epochs) as queue:
        ray.train.torch.TorchTrainer(
            _train_loop,
            train_loop_config={
                "name": name,
                "pretrained": None if pretrained is None else ray.put(pretrained),
                "weights": redacted(options.weights) if pretrained is not None else "none",
                "settings": options.settings,
                "threads": max(1, int(cpus)),
                "bundle": directory.path("models", name),
                "data": data,
                "trained_videos": trained_videos,
                "queue": queue,
            },
            datasets=dict(decoded),
            dataset_config=_SplitEvenly(),
            scaling_config=ray.train.ScalingConfig(
                num_workers=options.workers, use_gpu=options.gpu, resources_per_worker={"CPU": cpus}
            ),
            run_config=_run_config(directory, name),
        ).fit()


def _run_config(directory: RunDirectory, name: str) -> ray.train.RunConfig:
    filesystem, path = storage.filesystem(directory.path(CHECKPOINTS_FOLDER))
    return ray.train.RunConfig(
        name=name,
        storage_path=path,
        storage_filesystem=_arrow_filesystem(filesystem),
        failure_config=ray.train.FailureConfig(max_failures=WORKER_FAILURES),
        checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
    )


def _arrow_filesystem(filesystem: Any) -> pyarrow.fs.FileSystem:
    """Let Ray write where we do, with the same credentials."""
    if "file" in filesystem.protocol:
        return pyarrow.fs.LocalFileSystem()
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem))


def cpus_per_worker(nodes: Iterable[Mapping[str, float]], options: TrainOptions) -> float:
    """Return how many CPUs each worker may take so that all fit, less than one where they must share.

    Parameters
    ----------
    nodes : iterable of dict
        Resources of each node, as Ray names them.
    options : TrainOptions
        With `gpu`, a worker takes a GPU, and a node's CPUs go to as many workers as it has GPUs.
    """
    fit = [node for node in nodes if node.get("CPU") and (node.get("GPU") or not options.gpu)]
    if not fit:  # an autoscaling cluster that has no such node yet
        return 1.0
    if options.gpu:
        share = min(node["CPU"] / node["GPU"] for node in fit)
    else:
        share = min(node["CPU"] for node in fit) / math.ceil(options.workers / len(fit))
    return float(int(share)) if share >= 1 else math.floor(share * 100) / 100


def _data_record(splits: SplitFrames, options: TrainOptions) -> dict[str, Any]:
    frames = {split: splits.of(split) for split in Split}
    return {
        "fingerprint": manifest_fingerprint(splits.frames),
        "frames": {split: table.num_rows for split, table in frames.items()},
        "videos": {split: len(table["video_id"].unique()) for split, table in frames.items()},
        "shared_videos": [vars(shared) for shared in splits.shared],
        "warnings": [*options.notes, *splits.warnings],
    }


@contextmanager
def _epochs_printed(name: str, epochs: int) -> Iterator[Queue]:
    """Print what workers say of each epoch as the driver's own lines."""
    queue = Queue(actor_options={"num_cpus": 0})
    done = threading.Event()

    def print_epochs() -> None:
        while True:
            try:
                log.info("%s", _epoch_line(name, epochs, queue.get(timeout=0.5)))
            except Empty:
                if done.is_set():
                    return
            except RayError:  # Ray is going down: what there is to say, the driver's own error says
                return

    thread = threading.Thread(target=print_epochs, daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        done.set()
        thread.join(timeout=10)
        queue.shutdown()


def _epoch_line(name: str, epochs: int, entry: Mapping[str, Any]) -> str:
    train, val = entry["train"], entry["val"]
    return (
        f"{name} {entry['epoch'] + 1:>3}/{epochs} loss {train['loss']:.3f}, validation {val['loss']:.3f}, "
        f"F1 {val['f1'] or 0:.3f}{' *' if entry['improved'] else ''}"
    )


def _train_loop(config: dict[str, Any]) -> None:
    """Run on every worker: gather the shard, fit, assess; rank 0 writes the bundle."""
    set_up(config["threads"])
    size = architecture(config["name"]).input_size
    caches = {split: _collect(split, size) for split in Split}
    device = ray.train.torch.get_device()
    network = _network(config).to(device)
    recipe = recipe_for(config["name"], config["pretrained"] is not None)
    loss = _loss(caches[Split.TRAIN], device)
    world_size = ray.train.get_context().get_world_size()
    fit = Fit(network, caches[Split.TRAIN], caches[Split.VAL], loss, recipe, config["settings"], world_size)
    if (checkpoint := ray.train.get_checkpoint()) is not None:
        fit.resume(_read_checkpoint(checkpoint))
    fitted = fit.run(partial(_report, config["queue"]))
    network.load_state_dict(fitted.weights)
    val, test = (
        scored_frames(caches[split], evaluate(network, caches[split], loss, device)[1])
        for split in (Split.VAL, Split.TEST)
    )
    if rank() == 0:
        save_bundle(_assessed(config, recipe, fitted, val, test), config["bundle"])


def _network(config: dict[str, Any]) -> torch.nn.Module:
    """Build the network: the same weights on every rank."""
    torch.manual_seed(config["settings"].seed)
    network = architecture(config["name"]).build()
    if config["pretrained"] is not None:
        assert isinstance(network, MobileNetV2)
        network.load_features(ray.get(config["pretrained"]))
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _assessed(
    config: dict[str, Any],
    recipe: Recipe,
    fitted: Fitted,
    val: list[ScoredFrame],
    test: list[ScoredFrame],
) -> Bundle:
    """Calibrate and measure the best weights, and put them into a bundle."""
    name, calibration = config["name"], calibrate(val)
    training = {
        **describe(recipe, config["settings"]),
        "weights": config["weights"],
        "best_epoch": fitted.best_epoch,
        "epochs_run": len(fitted.history),
        "stopped_early": fitted.stopped_early,
    }
    record = {
        "metrics": measure_all(val, test, calibration, config["trained_videos"]),
        "calibration": reliability(val, calibration),
        "data": config["data"],
        "training": training,
        "history": fitted.history,
    }
    size, weights = architecture(name).input_size, as_arrays(fitted.weights)
    return Bundle(name, name, size, calibration, weights, record)


def _collect(split: Split, size: InputSize) -> FrameCache:
    shard = cast(ray.data.DataIterator, ray.train.get_dataset_shard(split))
    batches = shard.iter_batches(batch_size=DECODED_AT_A_TIME, batch_format="numpy")
    return FrameCache.collect(cast(Iterable[Batch], batches), size)


def _loss(train: FrameCache, device: torch.device) -> Loss:
    positives = int(train.positive.sum())
    both = sum_over_ranks(torch.tensor([positives, len(train) - positives], device=device))
    return Loss(*both.tolist())


def _report(queue: Queue, entry: dict[str, Any], checkpoint: Checkpoint) -> None:
    metrics = {"epoch": entry["epoch"], **{f"val_{name}": value for name, value in entry["val"].items()}}
    if rank() != 0:
        ray.train.report(metrics)
        return
    with suppress(RayError):  # a line for people must not cost the training
        queue.put(entry)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(checkpoint, Path(folder) / _CHECKPOINT_FILE)
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _read_checkpoint(checkpoint: ray.train.Checkpoint) -> Checkpoint:
    with checkpoint.as_directory() as folder:
        return torch.load(Path(folder) / _CHECKPOINT_FILE, map_location="cpu", weights_only=True)
