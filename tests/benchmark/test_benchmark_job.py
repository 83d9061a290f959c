"""The benchmark runs from end to end, and its last line is a JSON object."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flipbatch.benchmark.command import start
from flipbatch.cli import parser
from tests.conftest import write_frames
from tests.films import film

TOP = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_last_line_has_every_documented_figure(tmp_path):
    frames = write_frames(tmp_path / "frames", videos=2, frames=4)
    (tmp_path / "a.mp4").write_bytes(film(60))
    command = [sys.executable, "jobs/benchmark.py", "--frames", str(frames), "--repeats", "1"]
    command += ["--films", f"{tmp_path}/a.mp4"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [*command, "--shards", "4", "--sample", "96"],
        cwd=TOP, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    names = {"read", "decode", "decode_limit", "score_both", "decode_films", "score_films_cnn_model"}
    for model in ("cnn_model", "mobilenet_v2"):
        names |= {f"{kind}_{model}" for kind in ("forward", "score", "naive", "torch_loader", "train")}
    assert names <= found["rates"].keys()
    assert all(rate["median"] > 0 for rate in found["rates"].values())
    assert found["seconds"].keys() == {"command_to_first_shard", "last_shard_to_success"}
    assert {"driver", "worker", "object_store_bytes_per_frame"} == found["memory_mb"].keys()
    parity = {"f1_change", "largest_probability_change", "frames_with_other_pixels_than_simplejpeg"}
    assert found["parity"].keys() == parity


def test_a_failing_command_raises_its_error_text(tmp_path):
    with pytest.raises(RuntimeError, match="no such thing"):
        start(["-c", "import sys; sys.exit('no such thing')"], tmp_path)


@pytest.mark.parametrize("flag", ["--baselines", "--peers"])
def test_baselines_can_be_named_by_the_old_flag(flag):
    command = ["benchmark", "--frames", "frames"]
    assert parser().parse_args([*command, flag, "daft"]).baselines == ["daft"]
    assert parser().parse_args(command).baselines == []


def test_the_help_shows_the_new_flag_only(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["benchmark", "--help"])
    assert "--peers" not in capsys.readouterr().out
