"""Facts about `import flipbatch`: the names that Python users call."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import flipbatch
from flipbatch.errors import BundleError, InputError, OutputError
from tests.conftest import draw_frame, write_frames

README = Path(__file__).parents[1] / "README.md"
MODEL = "trained/models/cnn_model"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with frames and a trained model, named as in the documentation."""
    folder = tmp_path_factory.mktemp("project")
    frames = write_frames(folder / "frames", videos=8, frames=4)
    (frames / "flip" / "0000_000000002.jpg").rename(frames / "flip" / "0002_000000012.jpg")
    flipbatch.train(str(frames), out=str(folder / "trained"), models=["cnn_model"], epochs=6)
    return folder


@pytest.fixture(autouse=True)
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_the_examples_of_the_package_docstring_are_true() -> None:
    assert doctest.testmod(flipbatch).failed == 0


def test_the_six_lines_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    lines = block[1].replace('"scored"', '"readme"').replace('out="trained"', 'out="retrained"')
    exec(lines, {})  # the documentation is the test's input
    assert "flip" in capsys.readouterr().out


def test_importing_flipbatch_imports_nothing_heavy() -> None:
    heavy = "{'ray', 'torch', 'pandas', 'pyarrow', 'numpy'}"
    program = f"import sys, flipbatch; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_paths_bytes_arrays_and_pillow_images_of_one_frame_are_predicted_alike(tmp_path: Path) -> None:
    pixels = draw_frame(flip=True, seed=3)
    Image.fromarray(pixels).save(tmp_path / "frame.png")
    model = flipbatch.load_model(MODEL)
    content = (tmp_path / "frame.png").read_bytes()
    all_four = model.predict([content, tmp_path / "frame.png", pixels, Image.fromarray(pixels)])
    assert len(set(all_four["flip_probability"])) == 1
    assert all_four["status"].tolist() == ["ok"] * 4


def test_damaged_bytes_are_a_row_that_says_so() -> None:
    [row] = flipbatch.load_model(MODEL).predict(b"no picture").to_dict("records")
    assert (row["uri"], row["status"], row["prediction"]) == (None, "corrupt", None)


def test_a_batch_of_arrays_is_one_row_per_image() -> None:
    batch = np.stack([draw_frame(flip, seed=5) for flip in (True, False, True)])
    predicted = flipbatch.load_model(MODEL).predict(batch)
    assert len(predicted) == 3
    assert set(predicted["prediction"]) <= {"flip", "notflip"}


def test_a_missing_file_is_a_row_that_says_so() -> None:
    [row] = flipbatch.load_model(MODEL).predict("nowhere_1.jpg").to_dict("records")
    assert (row["status"], row["prediction"]) == ("missing", None)
    assert np.isnan(row["flip_probability"])


def test_no_images_give_no_rows() -> None:
    assert flipbatch.load_model(MODEL).predict([]).empty


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), 7])
def test_what_is_no_image_is_refused(image: object) -> None:
    with pytest.raises(InputError, match="An image is a path, bytes, a Pillow image, or an array"):
        flipbatch.load_model(MODEL).predict([image])  # pyright: ignore[reportArgumentType]


def test_the_torch_module_gives_the_same_probabilities() -> None:
    import torch

    model = flipbatch.load_model(MODEL)
    pixels = np.random.default_rng(0).integers(0, 255, (2, *model.input_size, 3), dtype=np.uint8)
    with torch.inference_mode():
        logits = model.module(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    card = model.model_card
    ours = torch.sigmoid(logits / card["temperature"] + card["offset"])
    assert np.allclose(ours, model.predict(pixels)["flip_probability"], atol=0.02)


def test_a_report_shows_as_many_frames_as_wanted(tmp_path: Path) -> None:
    shutil.copytree("frames/flip", tmp_path / "unlabelled")
    for number in (0, 3):
        out = tmp_path / f"scored-{number}"
        flipbatch.score(str(tmp_path / "unlabelled"), models=[MODEL], out=str(out), report_thumbnails=number)
        assert (out / "report.html").read_text().count("data:image/jpeg") == number


def test_training_writes_a_report() -> None:
    assert "Page flips: training report" in Path("trained/report.html").read_text()


def test_a_bundle_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(BundleError, match="is not a model bundle"):
        flipbatch.load_model("nowhere")


def test_tables_of_a_run_are_read_by_model() -> None:
    flipbatch.score("frames", models=[MODEL, f"other={MODEL}"], out="two")
    assert set(flipbatch.read_predictions("two")["model"]) == {"cnn_model", "other"}
    assert set(flipbatch.read_videos("two", "other")["model"]) == {"other"}
    for read in (flipbatch.read_videos, flipbatch.read_events, flipbatch.read_stills):
        with pytest.raises(OutputError, match="has no model third: it has cnn_model, other"):
            read("two", "third")


def test_page_turns_and_stills_of_a_run_are_read_by_model() -> None:
    flipbatch.score("frames", models=[MODEL, f"other={MODEL}"], out="turns")
    stills = flipbatch.read_stills("turns", "other")
    assert set(stills["model"]) == {"other"}
    assert set(stills["uri"]) <= set(flipbatch.read_predictions("turns", "other")["uri"])
    assert set(flipbatch.read_events("turns")["model"]) <= {"cnn_model", "other"}


def test_a_run_of_an_older_version_has_no_page_turns() -> None:
    flipbatch.score("frames", models=[MODEL], out="older")
    for folder, read in (("events", flipbatch.read_events), ("stills", flipbatch.read_stills)):
        shutil.rmtree(Path("older", folder))
        with pytest.raises(OutputError, match=f"has no {folder}: an older flipbatch scored it"):
            read("older")


def test_each_group_of_a_run_is_measured() -> None:
    metrics = flipbatch.score("frames", models=[MODEL], out="measured")
    groups = flipbatch.read_groups("measured")
    counts = metrics["models"]["cnn_model"]["frames"]
    assert set(groups["group"]) == set(flipbatch.read_videos("measured")["group"])
    assert sum(groups["frames"].tolist()) == sum(counts[name] for name in ("tp", "fp", "fn", "tn"))


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not a finished scoring run"):
        flipbatch.read_predictions(str(tmp_path))
