"""Bundles that come with the package: how they are found, and what a name that is not there says."""

import json
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from flipbatch import load_model
from flipbatch.cli import main
from flipbatch.errors import BundleError
from flipbatch.models import pretrained
from flipbatch.models.bundle import load_bundle
from flipbatch.models.pretrained import is_pretrained, locate_bundle
from flipbatch.scoring.models import load_models
from tests.models.shipped import SMALL, ship


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    return tmp_path / "pretrained"


def test_they_lie_in_the_package():
    assert Path(sys.modules["flipbatch"].__file__ or "").resolve().parent / "pretrained" == pretrained.FOLDER


def test_wheels_contain_their_files(tmp_path):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["flipbatch"]
    ship(tmp_path / "pretrained", SMALL)
    files = [file.name for one in patterns for file in tmp_path.glob(one)]
    assert sorted(files) == ["README.md", "model.json", "model.safetensors"]


def test_a_bundle_is_loaded_by_its_name(folder):
    ship(folder, SMALL)
    assert load_model("pretrained:cnn_model").name == "cnn_model"


def test_its_fingerprint_is_that_of_its_files(folder):
    ship(folder, SMALL)
    assert load_bundle("pretrained:cnn_model")[1] == load_bundle(str(folder / "cnn_model"))[1]


def test_a_model_to_score_with_may_be_renamed(folder):
    ship(folder, SMALL)
    models = load_models(["pretrained:cnn_model", "other=pretrained:cnn_model"], None)
    assert [model.name for model in models] == ["cnn_model", "other"]


def test_an_unknown_name_is_refused_with_those_there_are(folder):
    ship(folder, SMALL, replace(SMALL, name="another"))
    with pytest.raises(BundleError) as refused:
        load_bundle("pretrained:resnet")
    assert str(refused.value) == (
        "There is no pretrained model 'resnet': this version has pretrained:another, pretrained:cnn_model."
    )


@pytest.mark.parametrize(
    "flags",
    [
        ["score", "--model", "pretrained:x"],
        ["score", "--model", "a=pretrained:x"],
        ["train", "--weights", "pretrained:x"],
        ["train", "--weights", "pretrained"],
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_submitted_job_takes_the_name_for_no_relative_path(
    flags, labelled_frames, tmp_path, monkeypatch, capsys
):
    config = {"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))
    given = ["--frames", str(labelled_frames), "--out", str(tmp_path / "out"), "--executor", "local"]
    assert main([*flags, *given]) == 1
    assert "There is no pretrained model" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["cnn_model", "", "..", "../pretrained"])
def test_a_version_without_any_says_so(folder, name):
    with pytest.raises(BundleError, match=f"no pretrained model '{name}': this version has none at all"):
        load_bundle(f"pretrained:{name}")


def test_other_uris_are_what_they_were():
    assert locate_bundle("s3://bucket/models/cnn_model/") == "s3://bucket/models/cnn_model"
    assert locate_bundle("./pretrained:x") == str(Path("pretrained:x").absolute())
    assert not any(map(is_pretrained, ["trained/models/cnn_model", "pretrained", "./pretrained:x", None]))
