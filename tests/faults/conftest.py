"""What the fault suite shares: frames, a model, an undisturbed run, rounds, and a tally that is printed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch

from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.models.bundle import Bundle, as_arrays, save_bundle
from flipbatch.models.cnn_model import CnnModel
from tests.conftest import write_frames
from tests.faults.harness import Job


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """How often what happens at random times is tried."""
    return int(str(request.config.getoption("--rounds")))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that is quick to run."""
    torch.manual_seed(0)
    folder = str(tmp_path_factory.mktemp("bundle") / "cnn_model")
    weights = as_arrays(CnnModel().state_dict())
    save_bundle(Bundle("cnn_model", "cnn_model", InputSize(60, 34), Calibration(), weights), folder)
    return folder


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 frames in ten shards, some of them damaged, and a file that is none."""
    root = linked(tmp_path_factory.mktemp("frames"), 1200)
    (root / "flip" / "notes.txt").write_text("no frame")
    return root


@pytest.fixture(scope="session")
def many_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50,000 frames of 1080 by 1920 pixels."""
    return linked(tmp_path_factory.mktemp("many"), 50_000, scale=4)


def linked(root: Path, count: int, scale: int = 1) -> Path:
    """Fill a folder with links to a few files, one of them damaged: a frame is a frame by its name."""
    few = sorted(write_frames(root.with_name(f"{root.name}-few"), videos=2, frames=3).rglob("*.jpg"))
    for file in few:
        grainy(file, scale)
    few[0].write_bytes(few[1].read_bytes()[:2000])
    for number in range(count):
        folder = root / ("flip", "notflip")[number // 30 % 2]
        folder.mkdir(exist_ok=True)
        os.link(few[number % len(few)], folder / f"{number // 30:04d}_{number:09d}.jpg")
    return root


def grainy(file: Path, scale: int) -> None:
    """Enlarge a picture, and let it be as costly to decode as a camera's."""
    if scale > 1:
        pixels = np.kron(simplejpeg.decode_jpeg(file.read_bytes()), np.ones((scale, scale, 1), np.uint8))
        grain = np.random.default_rng(0).integers(0, 24, (*pixels.shape[:2], 1), dtype=np.uint8)
        file.write_bytes(simplejpeg.encode_jpeg(np.maximum(pixels, 24) - grain, quality=85))


@pytest.fixture(scope="session")
def score(frames: Path, bundle: str) -> tuple[str, ...]:
    """The command that scores the frames on Ray, without --out."""
    # Thumbnails are read again at the end: without them, each frame is opened once.
    options = ("--max-error-rate", "1", "--report-thumbnails", "0", "--model", bundle)
    return ("jobs/score.py", "--frames", str(frames), *options)


@pytest.fixture(scope="session")
def score_locally(score: tuple[str, ...]) -> tuple[str, ...]:
    """The same command in one process."""
    return (*score, "--executor", "local")


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, frames: Path, score_locally: tuple[str, ...]
) -> Path:
    """The directory of a run without faults. Each frame is opened once. Both executors give its bytes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = Job(folder / "job", frames, *score_locally, "--out", str(folder / "out"))
    assert job.wait() == 0, job.said
    assert set(job.opened.values()) == {1}
    return folder / "out"
