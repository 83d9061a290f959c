"""Training as a job, in this process: what a run writes, what it refuses, what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flipbatch.cli import main
from flipbatch.errors import InputError, OutputError, StorageError
from flipbatch.models import pretrained
from flipbatch.models.bundle import load_bundle
from flipbatch.models.network_options import CnnOptions
from flipbatch.schema import SPLITS, VIDEOS
from flipbatch.training.fit import Settings
from flipbatch.training.job import train
from tests.conftest import write_frames
from tests.models.shipped import SMALL, ship
from tests.training.runs import decided, options, record

ONE_EPOCH = Settings(epochs=1)


@pytest.fixture(scope="module")
def finished(labelled_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that early stopping ends: no epoch can improve by so much."""
    out = tmp_path_factory.mktemp("finished") / "out"
    train(options(labelled_frames, out, settings=Settings(epochs=6, patience=2, min_delta=100.0)))
    return out


def test_training_stops_early(finished: Path) -> None:
    training = record(finished)["training"]
    assert training["stopped_early"]
    assert (training["epochs_run"], training["best_epoch"]) == (3, 0)
    assert (training["frames_per_rank"], training["rate_factor"]) == (32, 1.0)


def test_every_validation_frame_is_measured(finished: Path) -> None:
    splits = pq.read_table(finished / "splits.parquet").to_pandas()
    counted = record(finished)["metrics"]["validation"]["frames"]
    assert decided(counted) == splits[splits.split == "val"].frames.sum()


def test_splits_are_by_group_and_add_up(finished: Path) -> None:
    table = pq.read_table(finished / "splits.parquet")
    splits = table.to_pandas()
    assert table.schema == SPLITS
    assert splits.frames.sum() == 64
    assert splits.groupby("group").split.nunique().max() == 1
    assert set(splits.split) == {"train", "val", "test"}


def test_a_bundle_counts_frames_videos_and_groups(finished: Path) -> None:
    data = record(finished)["data"]
    assert data["frames"] == {"train": 40, "val": 8, "test": 16}
    assert data["videos"] == {"train": 10, "val": 2, "test": 4}
    assert data["groups"] == {"train": 5, "val": 1, "test": 2}


def test_a_bundle_reports_its_calibration(finished: Path) -> None:
    calibration = record(finished)["calibration"]
    assert calibration.keys() >= {"expected_calibration_error", "reliability"}
    assert sum(one["frames"] for one in calibration["reliability"]) == 8


def test_each_model_writes_its_test_videos(finished: Path) -> None:
    videos = pq.read_table(finished / "test_videos" / "cnn_model.parquet")
    assert videos.schema == VIDEOS
    assert set(videos["model"].to_pylist()) == {"cnn_model"}
    assert sum(videos["scored"].to_pylist()) == 16
    assert len(videos["group"].unique()) == 2


def test_a_comparison_names_the_best_and_success_comes_last(finished: Path) -> None:
    comparison = json.loads((finished / "comparison.json").read_text())
    assert comparison["best"] == "cnn_model"
    assert comparison["differences"] == []
    assert comparison["models"]["cnn_model"]["frames"] == record(finished)["metrics"]["test"]["frames"]
    written = {one.name: one.stat().st_mtime_ns for one in finished.iterdir() if one.is_file()}
    assert written["_SUCCESS"] == max(written.values())


def test_checkpoints_are_removed_at_the_end(finished: Path) -> None:
    assert not (finished / "checkpoints").exists()


def test_a_run_is_not_overwritten(finished: Path, labelled_frames: Path) -> None:
    with pytest.raises(OutputError, match="add --resume"):
        train(options(labelled_frames, finished))


def test_a_resume_with_other_settings_is_refused(finished: Path, labelled_frames: Path) -> None:
    with pytest.raises(OutputError, match="seed was 0 and is now 7"):
        train(options(labelled_frames, finished, resume=True, settings=Settings(6, 2, 100.0, seed=7)))


def test_resuming_a_finished_run_returns_its_comparison(finished: Path, labelled_frames: Path) -> None:
    same = options(labelled_frames, finished, resume=True, settings=Settings(6, 2, 100.0))
    assert train(same) == json.loads((finished / "comparison.json").read_text())


def test_both_models_train_and_are_compared(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=5, frames=1)
    both = ("cnn_model", "mobilenet_v2")
    comparison = train(options(frames, tmp_path / "out", models=both, settings=ONE_EPOCH))
    assert set(comparison["models"]) == set(both)
    assert [{one["model"], one["minus"]} for one in comparison["differences"]] == [set(both)]
    assert record(tmp_path / "out", "mobilenet_v2")["training"]["weights"] == "none"


def test_the_same_seed_gives_the_same_weights(labelled_frames: Path, tmp_path: Path) -> None:
    weights = []
    for out in (tmp_path / "one", tmp_path / "two"):
        train(options(labelled_frames, out, settings=ONE_EPOCH))
        weights.append((out / "models" / "cnn_model" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_pretrained_model_is_fine_tuned_and_resumed_wherever_the_package_lies(
    labelled_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"weights": "pretrained:cnn_model", "settings": ONE_EPOCH}
    for folder in (tmp_path / "here", tmp_path / "there"):
        ship(folder, SMALL)
        monkeypatch.setattr(pretrained, "FOLDER", folder)
        train(options(labelled_frames, tmp_path / "out", **settings, resume=True))
    identity = json.loads((tmp_path / "out" / "run.json").read_text())["identity"]
    assert identity["weights"] == record(tmp_path / "out")["training"]["weights"] == "pretrained:cnn_model"
    ship(tmp_path / "there", replace(SMALL, provenance={"data": "others"}))
    with pytest.raises(OutputError, match=r"weights_digest\.cnn_model was '[0-9a-f]{64}' and is now"):
        train(options(labelled_frames, tmp_path / "out", **settings, resume=True))


def test_options_of_a_network_are_trained_stored_and_part_of_the_run(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=5, frames=1)
    wide = {"cnn_model": CnnOptions(channels=(12, 24))}
    train(options(frames, tmp_path / "out", networks=wide, settings=ONE_EPOCH))
    bundle = load_bundle(str(tmp_path / "out" / "models" / "cnn_model"))[0]
    assert bundle.options == wide["cnn_model"]
    assert bundle.network().state_dict()["features.1.0.weight"].shape == (24, 12, 3, 3)
    with pytest.raises(OutputError, match=r"networks\.cnn_model\.channels was \[12, 24\] and is now None"):
        train(options(frames, tmp_path / "out", settings=ONE_EPOCH, resume=True))


def test_notes_about_the_manifest_are_in_run_json(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=5, frames=1)
    (frames / "readme.txt").write_text("no frame")
    train(options(frames, tmp_path / "out", settings=ONE_EPOCH))
    (note,) = json.loads((tmp_path / "out" / "run.json").read_text())["manifest"]["notes"]
    assert "readme.txt" in note


# ------------------------------------------------------------------------------ bad frames


def test_frames_that_cannot_be_decoded_are_listed_and_not_counted(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=4)
    (frames / "flip" / "0000_000000000.jpg").write_bytes(b"this is no picture at all")
    train(options(frames, tmp_path / "out", settings=ONE_EPOCH))
    failures = pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist()
    assert [(row["uri"], row["status"]) for row in failures] == [
        (str(frames / "flip" / "0000_000000000.jpg"), "unsupported")
    ]
    data = record(tmp_path / "out")["data"]
    assert sum(data["failed"].values()) == 1
    assert sum(data["frames"].values()) == 31


def test_where_storage_withholds_frames_training_waits_for_them(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=4)
    missing = [frames / "flip" / f"0000_00000000{number}.jpg" for number in range(2)]
    table = tmp_path / "frames.csv"
    table.write_text("uri\n" + "\n".join(map(str, sorted(frames.rglob("*.jpg")))))
    for file in missing:
        file.rename(file.with_suffix(".away"))
    wanted = options(None, tmp_path / "out", manifest=str(table), settings=ONE_EPOCH)
    with pytest.raises(StorageError, match=r"2 of 32 frames are missing or unreadable, more than 5%"):
        train(wanted)
    for file in missing:
        file.with_suffix(".away").rename(file)
    train(replace(wanted, resume=True))
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert not (tmp_path / "out" / "failures.parquet").exists()


def test_a_class_that_cannot_be_decoded_is_an_error(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=2)
    for file in (frames / "flip").iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match="No flip frame of the training split can be decoded"):
        train(options(frames, tmp_path / "out"))


# ------------------------------------------------------------------------------ supplied splits


def test_a_supplied_split_that_shares_videos_is_said_in_the_bundle(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=4, folders="training/{label}")
    write_frames(frames, videos=4, frames=2, folders="testing/{label}")
    comparison = train(options(frames, tmp_path / "out", settings=ONE_EPOCH))
    assert record(tmp_path / "out")["data"]["shared_videos"] == [
        {
            "split": "test",
            "shared_videos": 8,
            "videos": 8,
            "shared_frames": 16,
            "frames": 16,
            "shared_groups": 4,
            "groups": 4,
            "shared_group_frames": 16,
        }
    ]
    # One group validates: its test frames are those that no training frame is of.
    for unseen in ("test_unseen_videos", "test_unseen_groups"):
        assert decided(comparison["models"]["cnn_model"][unseen]["frames"]) == 4


def test_a_test_video_of_a_group_that_trained_is_no_unseen_group(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=4, frames=2)
    write_frames(frames, videos=2, frames=2, first=10)
    split_of = {"0010": ("test", "book 0"), "0011": ("test", "book 9")}
    table = ["uri,split,group"]
    for file in sorted(frames.rglob("*.jpg")):
        split, group = split_of.get(file.stem[:4], ("", f"book {int(file.stem[:4])}"))
        table.append(f"{file},{split},{group}")
    (tmp_path / "frames.csv").write_text("\n".join(table))
    train(options(None, tmp_path / "out", manifest=str(tmp_path / "frames.csv"), settings=ONE_EPOCH))
    made = record(tmp_path / "out")
    trains_book_0 = "book 0" in trained_groups(tmp_path / "out")
    assert decided(made["metrics"]["test_unseen_videos"]["frames"]) == 8
    assert decided(made["metrics"]["test_unseen_groups"]["frames"]) == (4 if trains_book_0 else 8)


def trained_groups(out: Path) -> set[str]:
    splits = pq.read_table(out / "splits.parquet").to_pandas()
    return set(splits[splits.split == "train"].group)


# ------------------------------------------------------------------------------ refused


def test_weights_of_another_content_are_other_weights(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    one = options(tmp_path, tmp_path, weights=str(file)).identity("data")
    file.write_bytes(b"two")
    assert options(tmp_path, tmp_path, weights=str(file)).identity("data") != one


def test_a_run_that_was_started_before_networks_had_options_is_resumed(tmp_path: Path) -> None:
    assert options(tmp_path, tmp_path, models=("cnn_model",)).identity("data")["networks"] == {}
    both = options(tmp_path, tmp_path, models=("cnn_model", "mobilenet_v2")).identity("data")["networks"]
    assert both["mobilenet_v2"]["taps"] == [6, 10, 13]


def test_several_workers_in_this_process_are_refused(labelled_frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--executor local trains in one process: leave --workers out"):
        train(options(labelled_frames, tmp_path / "out", workers=2))


# ------------------------------------------------------------------------------ without Ray

COMMAND = """
import sys
from flipbatch.cli import main
assert main(["train", *sys.argv[1:], "--executor", "local", "-q"]) == 0
assert "ray" not in sys.modules
"""


def test_the_command_trains_in_this_process_without_importing_ray(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", videos=6, frames=1)
    flags = ["--models", "cnn_model", "--epochs", "1", "--folds", "2"]
    arguments = ["--frames", str(frames), "--out", str(tmp_path / "out"), *flags]
    said = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "pooled" in said.stdout


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--folds", "1"], "'1' is not an integer ≥ 2"),
        (["--folds", "2", "--leave-one-out"], "not allowed with argument"),
        (["--executor", "dask"], "invalid choice"),
    ],
)
def test_wrong_flags_are_wrong_arguments(
    flags: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--frames", "f", "--out", "o", *flags])
    assert why in capsys.readouterr().err
