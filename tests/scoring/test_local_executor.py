"""Facts about scoring in one process: it starts fast, and survives Ctrl-C and kills at any step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.scoring.job import ScoreOptions
from tests.faults.harness import Fault, Job
from tests.scoring.conftest import contents, kill_and_repeat, score

IMPORTS_OF_A_RUN = """
import sys
from flipbatch.cli import main
assert main(sys.argv[1:]) == 0
print({"ray", "torch", "torchvision", "duckdb"} & sys.modules.keys(), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def options(manifest: Path, bundles: tuple[str, str]) -> Callable[[Path], ScoreOptions]:
    """Return the options of a run in a directory."""
    return lambda out: ScoreOptions(
        manifest=str(manifest), models=bundles[:1], out=str(out), executor="local"
    )


@pytest.fixture(scope="module")
def undisturbed(
    options: Callable[[Path], ScoreOptions], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    score(options(out))
    return contents(out)


def arguments(manifest: Path, bundle: str, out: Path) -> list[str]:
    frames = ["--manifest", str(manifest), "--model", bundle]
    return ["score", "--executor", "local", *frames, "--out", str(out), "--max-error-rate", "1"]


def test_a_run_imports_neither_ray_nor_torch(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", IMPORTS_OF_A_RUN, *arguments(manifest, bundles[0], tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "set()"


def test_a_run_ends_as_ever_though_its_log_is_lost_and_its_name_is_not_in_the_encoding_of_the_terminal(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "ö\udcff"
    command = [sys.executable, "-m", "flipbatch.cli", *arguments(manifest, bundles[0], out)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, env=environment, check=True)
    assert done.stdout.endswith(rb"/\xf6\udcff" + b"\n")
    assert (out / "_SUCCESS").exists()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_at_any_write_then_the_same_command_gives_the_same_bytes(
    moment: str,
    options: Callable[[Path], ScoreOptions],
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = 0
    for number in count():
        out = tmp_path / str(number)
        with monkeypatch.context() as patch:
            interrupt(patch, number, moment)
            try:
                score(options(out))
            except KeyboardInterrupt:
                pass
            else:
                break
        score(options(out))
        assert contents(out) == undisturbed
    assert (
        number >= 13
    )  # marker, manifest, run.json, engine.json, 2 shards, tables, metrics, report, _SUCCESS


def interrupt(patch: pytest.MonkeyPatch, number: int, moment: str) -> None:
    """Press Ctrl-C before or after the file of this number is written."""
    files = count()

    def wrapped(put: Callable[[str, bytes], object]) -> Callable[[str, bytes], object]:
        def interrupted(uri: str, data: bytes) -> object:
            now = next(files) == number
            if now and moment == "before":
                raise KeyboardInterrupt
            result = put(uri, data)
            if now:
                raise KeyboardInterrupt
            return result

        return interrupted

    patch.setattr(storage, "write", wrapped(storage.write))
    patch.setattr(storage, "create", wrapped(storage.create))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("opened", r"/shards/\.?000000001"),
        Fault("renamed", r"/shards/\.?000000001"),
        Fault("removed", r"/predictions/model=cnn_model/\.?part"),
    ],
    ids=lambda fault: f"{fault.act} {fault.path}",
)
def test_sigkill_then_the_same_command_gives_the_same_bytes(
    fault: Fault,
    manifest: Path,
    bundles: tuple[str, str],
    undisturbed: dict[str, bytes],
    tmp_path: Path,
) -> None:
    arguments = ("--manifest", str(manifest), "--model", bundles[0])
    assert kill_and_repeat(fault, arguments, tmp_path) == undisturbed


def test_a_frame_that_ends_the_process_is_a_row_of_the_next_command(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Path(manifest.read_text().splitlines()[1].partition(",")[0])
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "0001_1.jpg").write_bytes(good.read_bytes() + b"kills")
    (frames / "0001_2.jpg").write_bytes(good.read_bytes())
    out = tmp_path / "out"
    inputs = ("--frames", str(frames), "--model", bundles[0], "--out", str(out), "--max-error-rate", "1")
    monkeypatch.setenv("FLIPBATCH_POISON", "1")
    command = ("-m", "flipbatch.cli", "score", "--executor", "local", *inputs)
    assert Job(tmp_path / "killed", frames, *command).wait() < 0
    finished = Job(tmp_path / "finished", frames, *command)
    assert finished.wait() == 0, finished.said
    assert "1 of 2 frames" in finished.said
    assert "1 corrupt" in finished.said
    assert not (out / "attempts").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_one_sentence(options: Callable[[Path], ScoreOptions], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="This machine has no GPU"):
        score(replace(options(tmp_path / "out"), gpu=True))
