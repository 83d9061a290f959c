"""What the README of a bundle says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flipbatch.models.bundle import Bundle, load_bundle, save_bundle
from flipbatch.models.bundle_readme import bundle_readme
from flipbatch.models.pretrained import FOLDER, PREFIX, pretrained_names
from tests.models.shipped import SMALL

FRAMES = {
    "f1": 0.81234,
    "f1_interval": [0.7, 0.9],
    "balanced_accuracy": 0.75,
    "balanced_accuracy_interval": None,
}
MEASURED = replace(
    SMALL,
    provenance={
        "metrics": {"test": {"frames": FRAMES}, "validation": {"frames": FRAMES}, "test_unseen_groups": None},
        "data": {
            "fingerprint": "abc",
            "frames": {"train": 1200, "val": 8, "test": 16},
            "flips": {"train": 600, "val": 4, "test": 8},
            "warnings": ["A supplied split shares videos."],
        },
        "training": {"weights": "none", "seed": 3},
        "calibration": {"expected_calibration_error": {"before": 0.2, "after": 0.01}},
    },
)


def readme(bundle: Bundle, folder: Path) -> str:
    save_bundle(bundle, str(folder))
    return (folder / "README.md").read_text()


def front_matter(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


def test_hubs_read_its_front_matter(tmp_path):
    matter = front_matter(readme(MEASURED, tmp_path))
    assert (matter["library_name"], matter["pipeline_tag"]) == ("flipbatch", "image-classification")
    results = matter["model-index"][0]["results"]
    assert [one["dataset"]["split"] for one in results] == ["validation", "test"]
    assert results[0]["metrics"][0] == {"type": "f1", "name": "F1", "value": 0.8123}


def test_the_licence_of_a_model_of_ones_own_frames_is_unknown(tmp_path):
    assert front_matter(readme(MEASURED, tmp_path))["license"] == "unknown"


def test_metrics_have_their_intervals(tmp_path):
    assert "| test | 0.812 (0.700 to 0.900) | 0.750 |" in readme(MEASURED, tmp_path)


def test_it_says_how_many_frames_a_split_has_and_what_is_doubtful(tmp_path):
    text = readme(MEASURED, tmp_path)
    assert "| split | frames | flips |\n|---|---|---|\n| train | 1,200 | 600 |\n" in text
    assert "\n- A supplied split shares videos.\n\n## Metrics" in text


def test_what_the_model_card_lacks_is_left_out(tmp_path):
    text = readme(SMALL, tmp_path)
    assert "model-index" not in front_matter(text)
    assert not any(title in text for title in ("## Metrics", "## Data", "## Training", "calibration error"))


@pytest.mark.parametrize("part", ["metrics", "data", "training", "calibration"])
@pytest.mark.parametrize("value", ["others", {}, None])
def test_a_bundle_with_any_provenance_is_written(tmp_path, part, value):
    assert "# cnn_model" in readme(replace(MEASURED, provenance={part: value}), tmp_path)


def test_it_has_the_fingerprint_which_does_not_depend_on_it(tmp_path):
    text = readme(MEASURED, tmp_path)
    (tmp_path / "README.md").write_text("Mine.")
    assert f"Fingerprint of the bundle: `{load_bundle(str(tmp_path))[1]}`" in text


def test_equal_bundles_have_equal_readmes(tmp_path):
    assert readme(MEASURED, tmp_path / "a") == readme(MEASURED, tmp_path / "b")


@pytest.mark.parametrize("name", pretrained_names())
def test_a_shipped_bundle_starts_with_what_its_model_card_says(name: str):
    card = json.loads((FOLDER / name / "model.json").read_text())
    text = (FOLDER / name / "README.md").read_text()
    assert text.startswith(bundle_readme(card, load_bundle(PREFIX + name)[1], PREFIX + name))
    assert "## On real books that it has not seen" in text
    assert front_matter(text)["license"] == "mit"
