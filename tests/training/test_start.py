"""What networks start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from flipbatch.errors import BundleError, InputError
from flipbatch.models import pretrained
from flipbatch.models.bundle import load_bundle
from flipbatch.models.mobilenet_v2 import MobileNetV2
from flipbatch.models.network_options import CnnOptions, MobileNetOptions
from flipbatch.training.start import Start, is_file, starts, weights_digest
from tests.models.shipped import SHALLOW, SMALL, ship

BOTH = ("cnn_model", "mobilenet_v2")
WIDE = CnnOptions(channels=(12, 24, 48))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's bundles: one of each architecture."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    ship(tmp_path / "pretrained", SMALL, SHALLOW)
    return tmp_path / "pretrained"


def test_without_weights_networks_are_random_ones_of_the_default_options() -> None:
    found = starts(BOTH, "none", {})
    assert found == {"cnn_model": Start(CnnOptions()), "mobilenet_v2": Start(MobileNetOptions())}
    assert {start.source for start in found.values()} == {"none"}


def test_a_file_is_for_mobilenet_v2_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = MobileNetV2().state_dict()
    save_file(weights, file := tmp_path / "weights.safetensors")
    found = starts(BOTH, str(file), {})
    assert [found[name].source for name in BOTH] == ["none", str(file)]
    loaded = found["mobilenet_v2"].network("mobilenet_v2", seed=2).state_dict()
    differing = {name for name, value in loaded.items() if not torch.equal(value, weights[name])}
    assert differing == {"head.1.weight", "head.1.bias"}


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.usefixtures("folder")
def test_a_bundle_gives_all_layers_and_its_options(name: str) -> None:
    start = starts((name,), f"pretrained:{name}", {})[name]
    bundle = load_bundle(f"pretrained:{name}")[0]
    network = start.network(name, seed=0)
    assert start.options == bundle.options != type(bundle.options)()
    pixels = torch.randint(0, 256, (2, 3, 240, 135), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(network.eval()(pixels), bundle.network()(pixels))


@pytest.mark.usefixtures("folder")
def test_statistics_of_a_bundle_stay_through_training() -> None:
    network = starts(BOTH, "pretrained", {})["cnn_model"].network("cnn_model", seed=0)
    before = {name: value.clone() for name, value in network.named_buffers()}
    network.train()(torch.randint(0, 256, (4, 3, 60, 36), dtype=torch.uint8))
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())


@pytest.mark.usefixtures("folder")
def test_each_model_starts_from_the_bundle_of_its_name() -> None:
    found = starts(BOTH, "pretrained", {})
    assert {name: start.source for name, start in found.items()} == {
        "cnn_model": "pretrained:cnn_model",
        "mobilenet_v2": "pretrained:mobilenet_v2",
    }


@pytest.mark.usefixtures("folder")
def test_one_bundle_leaves_the_other_model_to_random_weights() -> None:
    found = starts(BOTH, "pretrained:mobilenet_v2", {})
    assert (found["cnn_model"].source, found["mobilenet_v2"].whole) == ("none", True)


@pytest.mark.usefixtures("folder")
def test_a_bundle_of_a_model_that_is_not_trained_is_refused() -> None:
    with pytest.raises(InputError, match=r"pretrained:cnn_model is a cnn_model.*add cnn_model to --models"):
        starts(("mobilenet_v2",), "pretrained:cnn_model", {})


def test_a_bundle_that_does_not_come_with_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(BundleError, match="no pretrained model 'cnn_model': this version has none at all"):
        starts(BOTH, "pretrained", {})


def test_options_may_be_chosen() -> None:
    start = starts(BOTH, "none", {"cnn_model": WIDE})["cnn_model"]
    assert start.network("cnn_model", seed=0).state_dict()["features.2.0.weight"].shape == (48, 24, 3, 3)


@pytest.mark.usefixtures("folder")
def test_options_of_a_bundle_may_not_be_chosen() -> None:
    with pytest.raises(InputError, match=r"cnn_model starts from pretrained:cnn_model.*leave yours out"):
        starts(BOTH, "pretrained", {"cnn_model": WIDE})


def test_the_digest_is_of_the_bundles_files(folder: Path) -> None:
    digest = {name: load_bundle(str(folder / name))[1] for name in BOTH}
    assert weights_digest(BOTH, "pretrained") == digest
    assert weights_digest(BOTH, "pretrained:cnn_model") == {"cnn_model": digest["cnn_model"]}
    assert weights_digest(BOTH, "imagenet") is None


def test_names_of_weights_are_not_files() -> None:
    assert not any(map(is_file, ["imagenet", "none", "pretrained", "pretrained:cnn_model"]))
    assert all(map(is_file, ["weights.pth", "./none", "s3://bucket/pretrained"]))
