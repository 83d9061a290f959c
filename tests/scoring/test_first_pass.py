"""Facts about runs with ``--adapt``: one offset per model and place, found once, in a first pass."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest

import flipbatch
from flipbatch.errors import BundleError, OutputError
from flipbatch.evaluation.adaptation import LogitHistogram, estimate_offset, logits_of
from flipbatch.evaluation.adaptation_prior import AdaptationPrior
from flipbatch.evaluation.calibration import Calibration
from flipbatch.models.bundle import Bundle, save_bundle
from flipbatch.schema import ADAPTATION
from flipbatch.scoring import first_pass
from flipbatch.scoring.dry_run import dry_run
from flipbatch.scoring.job import ScoreOptions
from flipbatch.scoring.read_results import read_predictions
from tests.conftest import jpeg, write_frames
from tests.faults.harness import Fault
from tests.scoring.conftest import contents, kill_and_repeat, score

local = partial(ScoreOptions, executor="local", adapt=True)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained model, its logits of 0.073 spread to about 1 by its calibration; its card has a prior."""
    card = {"adaptation": AdaptationPrior(-2, 1, 2, 1, place_deviation=3, most_frames=20).to_json()}
    spread = Calibration(temperature=0.0004, offset=1 - 0.073 / 0.0004)
    uri = str(tmp_path_factory.mktemp("bundle"))
    save_bundle(dataclasses.replace(tiny_bundle, calibration=spread, provenance=card), uri)
    return uri


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two directories of frames of both labels, one in splits, and one without a good frame."""
    root = tmp_path_factory.mktemp("places")
    write_frames(root, videos=2, frames=3, folders="desk/testing/{label}")
    write_frames(root, videos=1, frames=2, folders="desk/training/{label}", first=5)
    write_frames(root, videos=1, frames=80, folders="sofa/{label}")
    (root / "desk/testing/flip/0000_000000009.jpg").write_bytes(jpeg(flip=True, seed=1)[:500])
    (root / "dark").mkdir()
    (root / "dark/0001_000000001.jpg").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def options(places: Path, bundle: str) -> Callable[[Path], ScoreOptions]:
    """Return the options of a run in a directory."""
    return lambda out: local(frames=str(places), models=(bundle,), out=str(out))


@pytest.fixture(scope="module")
def adapted(options: Callable[[Path], ScoreOptions], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that adapts."""
    out = tmp_path_factory.mktemp("adapted") / "out"
    score(options(out))
    return out


@pytest.fixture(scope="module")
def plain(options: Callable[[Path], ScoreOptions], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The predictions of the same frames without adaptation."""
    out = tmp_path_factory.mktemp("plain") / "out"
    score(dataclasses.replace(options(out), adapt=False))
    return read_predictions(str(out))


def logits(predictions: pd.DataFrame) -> npt.NDArray[np.float64]:
    return logits_of(np.asarray(predictions.flip_probability, np.float64))


def of_place(predictions: pd.DataFrame, place: str) -> npt.NDArray[np.bool_]:
    return np.array([video.startswith(place) for video in predictions.video_id])


def offsets_of(out: Path) -> dict[str, dict[str, Any]]:
    return {row["place"]: row for row in pq.read_table(out / "adaptation.parquet").to_pylist()}


# ---------------------------------------------------------------------------------------- offsets


def test_a_place_is_a_directory_without_labels_and_splits(adapted: Path) -> None:
    table = offsets_of(adapted)
    assert pq.read_schema(adapted / "adaptation.parquet").equals(ADAPTATION)
    assert {place: (row["frames"], row["sampled"], row["scored"]) for place, row in table.items()} == {
        "dark": (1, 1, 0),
        "desk": (17, 17, 16),
        "sofa": (160, 64, 64),
    }


@pytest.mark.parametrize("place", ["dark", "desk", "sofa"])
def test_every_logit_is_reduced_by_the_offset_of_its_place(
    place: str, adapted: Path, plain: pd.DataFrame
) -> None:
    rows, offset = read_predictions(str(adapted)), offsets_of(adapted)[place]["offset"]
    assert abs(offset) > 0.01 or place == "dark"
    here = of_place(rows, place)
    assert np.allclose(logits(rows)[here], logits(plain)[here] - offset, atol=0.01, equal_nan=True)
    assert rows.status.equals(plain.status)


def test_the_offset_is_that_of_the_models_prior_and_the_places_frames(
    adapted: Path, plain: pd.DataFrame, bundle: str
) -> None:
    values = logits(plain)[of_place(plain, "desk")]
    histogram = LogitHistogram.of(values[~np.isnan(values)])
    prior = AdaptationPrior.from_json(json.loads((Path(bundle) / "model.json").read_text())["adaptation"])
    desk = offsets_of(adapted)["desk"]
    assert desk["offset"] == estimate_offset(histogram, prior)
    assert desk["histogram"] == histogram.counts.tolist()


def test_a_place_without_a_good_frame_has_no_offset(adapted: Path) -> None:
    assert offsets_of(adapted)["dark"]["offset"] == 0
    rows = read_predictions(str(adapted))
    assert rows[of_place(rows, "dark")].status.tolist() == ["corrupt"]


def test_labels_change_no_offset(adapted: Path, places: Path, bundle: str, tmp_path: Path) -> None:
    uris = sorted(map(str, places.rglob("*.jpg")))
    rows = [f"{uri},{('flip', 'notflip')[number % 2]}" for number, uri in enumerate(uris)]
    (tmp_path / "frames.csv").write_text("\n".join(["uri,label", *rows]))
    score(local(manifest=str(tmp_path / "frames.csv"), models=(bundle,), out=str(tmp_path / "out")))
    assert offsets_of(tmp_path / "out") == offsets_of(adapted)


def test_another_threshold_changes_no_offset(
    adapted: Path, options: Callable[[Path], ScoreOptions], tiny_bundle: Bundle, tmp_path: Path
) -> None:
    save_bundle(tiny_bundle, str(tmp_path / "bundle"))  # its card has no prior
    without = dataclasses.replace(options(tmp_path / "out"), models=(str(tmp_path / "bundle"),))
    for name, threshold in (("own", None), ("high", 0.9)):
        score(dataclasses.replace(without, out=str(tmp_path / name), threshold=threshold))
    assert offsets_of(tmp_path / "own") == offsets_of(tmp_path / "high") != offsets_of(adapted)


def test_a_group_of_the_manifest_is_a_place(places: Path, bundle: str, tmp_path: Path) -> None:
    uris = sorted(map(str, places.rglob("desk/testing/*/*.jpg")))
    rows = [f"{uri},{'left' if '/0000_' in uri else 'right'}" for uri in uris]
    (tmp_path / "frames.csv").write_text("\n".join(["uri,group", *rows]))
    score(local(manifest=str(tmp_path / "frames.csv"), models=(bundle,), out=str(tmp_path / "out")))
    frames = {place: row["frames"] for place, row in offsets_of(tmp_path / "out").items()}
    assert frames == {"left": 7, "right": 6}


# ---------------------------------------------------------------------------------------- the run


def test_run_and_metrics_sum_the_offsets_up(adapted: Path) -> None:
    run = json.loads((adapted / "run.json").read_text())
    facts = run["adaptation"]
    offsets = {place: row["offset"] for place, row in offsets_of(adapted).items()}
    assert run["identity"]["adapt"] is True
    assert (facts["places"], facts["frames"], facts["frames_per_place"]) == (3, 82, 64)
    assert facts["models"]["cnn_model"] == {
        "smallest": min(offsets.values()),
        "median": median(offsets.values()),
        "largest": max(offsets.values()),
        "offsets": offsets,
    }
    told = json.loads((adapted / "metrics.json").read_text())["adaptation"]
    assert told == {key: value for key, value in facts.items() if key not in ("folder", "digest")}


def test_the_report_says_that_a_frame_depends_on_its_neighbours(adapted: Path) -> None:
    page = (adapted / "report.html").read_text()
    assert "Adapted to 3 places, by 82 frames without their labels." in page
    assert "A frame&#39;s probability depends on the other frames of its place." in page


def test_a_run_without_adaptation_says_nothing_of_it(
    options: Callable[[Path], ScoreOptions], tmp_path: Path
) -> None:
    metrics = score(dataclasses.replace(options(tmp_path / "out"), adapt=False, limit=2))
    assert metrics["adaptation"] is None
    assert "adapt" not in (tmp_path / "out/run.json").read_text()
    assert "adapt" not in {file.name.partition(".")[0][:5] for file in (tmp_path / "out").iterdir()}
    assert "Adapted" not in (tmp_path / "out/report.html").read_text()


def test_a_resume_with_or_without_adaptation_against_the_other_is_refused(
    adapted: Path, options: Callable[[Path], ScoreOptions], tmp_path: Path
) -> None:
    plain = dataclasses.replace(options(tmp_path / "out"), adapt=False, limit=2)
    score(plain)
    with pytest.raises(OutputError, match="belongs to another run: adapt was None and is now True"):
        score(dataclasses.replace(plain, adapt=True))
    with pytest.raises(OutputError, match="belongs to another run: adapt was True and is now None"):
        score(dataclasses.replace(options(adapted), adapt=False))


def test_a_resumed_run_reads_its_offsets_and_never_computes_them(
    adapted: Path, options: Callable[[Path], ScoreOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(adapted, out)
    before = contents(out)
    for lost in ("_SUCCESS", "adaptation.parquet", "engine.json", "shards/000000000.parquet"):
        (out / lost).unlink()
    monkeypatch.delattr(first_pass, "estimate_offsets")
    score(options(out))
    assert contents(out) == before


def test_offsets_that_were_changed_are_refused(
    adapted: Path, options: Callable[[Path], ScoreOptions], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(adapted, out)
    (out / "_SUCCESS").unlink()
    (offsets,) = out.glob("adaptation/*/offsets.parquet")
    offsets.write_bytes(offsets.read_bytes() + b" ")
    (out / "shards/000000000.parquet").unlink()
    with pytest.raises(OutputError, match=r"offsets\.parquet is damaged: it is not the file that the run"):
        score(options(out))


def test_the_fingerprint_of_a_run_covers_its_offsets(
    adapted: Path, options: Callable[[Path], ScoreOptions], tmp_path: Path
) -> None:
    run = json.loads((adapted / "run.json").read_text())
    score(dataclasses.replace(options(tmp_path / "out"), adapt=False))
    plain = json.loads((tmp_path / "out/run.json").read_text())
    assert plain["fingerprint"] != run["fingerprint"]
    shard = pq.read_schema(adapted / "shards/000000000.parquet").metadata
    assert shard[b"flipbatch.run"].decode() == run["fingerprint"]


def test_one_engine_scores_the_first_pass_and_the_run(adapted: Path) -> None:
    (first,) = adapted.glob("adaptation/*/engine.json")
    assert first.read_bytes() == (adapted / "engine.json").read_bytes()
    assert not [*adapted.rglob("attempts")]


FAULTS = [
    Fault("opened", r"/adaptation/.*/shards/\.?000000000"),
    Fault("renamed", r"/adaptation/.*/\.?offsets"),
    Fault("renamed", r"out/\.?run\.json"),
]
MORE_FAULTS = [
    Fault("renamed", r"/adaptation/.*/manifest/\.?part"),
    Fault("renamed", r"/adaptation/.*/shards/\.?000000000"),
    Fault("opened", r"out/\.?run\.json"),
    Fault("opened", r"out/\.?engine\.json"),
    Fault("opened", r"out/shards/\.?000000001"),
    Fault("renamed", r"out/\.?adaptation\.parquet"),
]


@pytest.mark.parametrize(
    "fault",
    [*FAULTS, *(pytest.param(fault, marks=pytest.mark.slow) for fault in MORE_FAULTS)],
    ids=lambda fault: f"{fault.act} {fault.path}",
)
def test_sigkill_then_the_same_command_gives_the_same_bytes(
    fault: Fault,
    adapted: Path,
    places: Path,
    bundle: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--frames", str(places), "--model", bundle, "--adapt")
    assert kill_and_repeat(fault, arguments, tmp_path) == contents(adapted)
    assert "Adapted to 3 places" in capsys.readouterr().out


# ---------------------------------------------------------------------------------------- around


def test_a_dry_run_says_what_the_first_pass_samples(
    adapted: Path, options: Callable[[Path], ScoreOptions], tmp_path: Path
) -> None:
    lines = dry_run(options(tmp_path / "out"))
    assert "first pass: 82 frames of 3 places, at most 64 of each" in lines
    assert not (tmp_path / "out").exists()
    assert dry_run(options(adapted))[0] == f"has finished {adapted}"


def test_a_model_card_with_a_prior_that_can_not_be_one_is_refused(
    tiny_bundle: Bundle, places: Path, tmp_path: Path
) -> None:
    wrong = dataclasses.replace(tiny_bundle, provenance={"adaptation": {"flip_mean": -9}})
    save_bundle(wrong, str(tmp_path / "bundle"))
    arguments = local(frames=str(places), models=(str(tmp_path / "bundle"),), out=str(tmp_path / "out"))
    with pytest.raises(BundleError, match=r"has an adaptation that can't be used .* score without --adapt"):
        score(arguments)
    assert not (tmp_path / "out").exists()
    score(dataclasses.replace(arguments, adapt=False, limit=2))


def test_adaptation_is_part_of_the_python_api(
    adapted: Path, places: Path, bundle: str, tmp_path: Path
) -> None:
    metrics = flipbatch.score(str(places), models=[bundle], out=str(tmp_path / "out"), adapt=True)
    assert contents(tmp_path / "out") == contents(adapted)
    assert metrics["adaptation"]["places"] == 3
