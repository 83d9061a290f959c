"""What tests share: one Ray session, one S3 server, small frames to train and score on."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import simplejpeg

from tests.faults.harness import TALLY

os.environ.update(
    OMP_NUM_THREADS="1",  # threads that wait for each other on busy cores take many times as long
    RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
    RAY_worker_niceness="0",  # by default, Ray's workers wait for the tests that run beside them
    FLIPBATCH_TESTS=str(os.getpid()),
    RAY_TRAIN_HEALTH_CHECK_INTERVAL_S="0.1",
    RAY_TRAIN_ENABLE_PREEMPTION_WATCHER="0",  # a process more for each training
)

FRAME_HEIGHT, FRAME_WIDTH = 480, 270
NOBODY = 65534

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a script ignore Ctrl-C
sys.modules["openvino_telemetry"] = None  # pyright: ignore[reportArgumentType] -- asks servers of others

_numbers = count()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the fault suite run longer."""
    parser.addoption("--rounds", type=int, default=1, help="how often faults at random times are tried")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that start Ray one after the other, first and in one process; others run beside them by file.

    Two Rays at once would share two cores, and both would be slow.
    """
    for item in items:
        group = "ray" if _starts_ray(item) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not _starts_ray(item))


def _starts_ray(item: pytest.Item) -> bool:
    return "ray_session" in getattr(item, "fixturenames", ()) or item.get_closest_marker("ray") is not None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of the fault suite from a worker process of xdist to the process that prints them."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["tally"] = TALLY.to_json()


class _TallyPlugin:
    """Receives the counts of the worker processes."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        TALLY.add(getattr(node, "workeroutput", {}).get("tally"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the hook of xdist."""
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_TallyPlugin())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts of the fault suite, if it ran."""
    if TALLY.faults or TALLY.inputs:
        terminalreporter.section("faults without loss")
        terminalreporter.write_line("\n".join(TALLY.lines()))


def errors_as_nobody(*statements: str) -> str:
    """Run statements where permissions count, as they do for anybody but root; return what they complain."""
    become = f"os.setuid({NOBODY})" if os.getuid() == 0 else ""
    program = "\n".join(
        [
            "import os",
            "from flipbatch import storage",
            "from flipbatch.storage import listing",
            become,
            *statements,
        ]
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr


@pytest.fixture
def remote() -> str:
    """A directory of its own in memory, with its URI."""
    return f"memory://remote-{next(_numbers)}"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that anybody may enter: pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def draw_frame(flip: bool, seed: int) -> npt.NDArray[np.uint8]:
    """A table, a book, and in a flip a bright page across it: easy to tell apart, no two alike."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(40, 90, (FRAME_HEIGHT // 30, FRAME_WIDTH // 30, 3), dtype=np.uint8)
    frame = np.kron(frame, np.ones((30, 30, 1), dtype=np.uint8))
    top, left = rng.integers(80, 160), rng.integers(20, 60)
    frame[top : top + 200, left : left + 180] = rng.integers(150, 190)
    if flip:
        rows, columns = np.mgrid[:FRAME_HEIGHT, :FRAME_WIDTH]
        page = np.abs(columns - left - 90 - (rows - top) // 3) < 25
        frame[page & (rows > top - 60) & (rows < top + 180)] = 250
    return frame


def jpeg(flip: bool, seed: int) -> bytes:
    """One small frame as a JPEG file."""
    return simplejpeg.encode_jpeg(draw_frame(flip, seed), quality=85)


def write_frames(root: Path, videos: int, frames: int, folders: str = "{label}", first: int = 0) -> Path:
    """Write `videos` of each label below `root`; `folders` says where, and `first` is the first VideoID."""
    for flip, label in ((True, "flip"), (False, "notflip")):
        folder = root / folders.format(label=label)
        folder.mkdir(parents=True, exist_ok=True)
        for video in range(first, first + videos):
            for frame in range(frames):
                data = jpeg(flip, seed=(video * 1000 + frame) * 2 + flip)
                (folder / f"{video:04d}_{frame:09d}.jpg").write_bytes(data)
    return root


@pytest.fixture(scope="session")
def labelled_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 videos of each label, 4 frames each, no split supplied."""
    return write_frames(tmp_path_factory.mktemp("labelled"), videos=8, frames=4)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A real S3 server on loopback; returns its address, and points every S3 client at it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    os.environ.update(
        AWS_ENDPOINT_URL=address,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    yield address
    server.stop()


@pytest.fixture(scope="session")
def ray_session(s3_server: str) -> Iterator[None]:
    """One Ray for all tests that need it, its workers knowing the S3 server; 2 CPUs, no GPU."""
    import ray

    ray.init(
        num_cpus=2,
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _system_config={"metrics_report_interval_ms": 500},
    )
    yield
    ray.shutdown()
