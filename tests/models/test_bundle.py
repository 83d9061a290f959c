"""A bundle is written, read, and refused where it is incomplete."""

import json
import math

import fsspec
import numpy as np
import pytest
import torch

from flipbatch.errors import BundleError, StorageError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.models import bundle as bundles
from flipbatch.models.architectures import EIGHTH
from flipbatch.models.bundle import (
    FORMAT_VERSION,
    MODEL_CARD_FILE,
    README_FILE,
    WEIGHTS_FILE,
    Bundle,
    as_arrays,
    half_size,
    load_bundle,
    save_bundle,
)
from flipbatch.models.cnn_model import CnnModel
from flipbatch.models.mobilenet_v2 import MobileNetV2
from flipbatch.models.network_options import CnnOptions, MobileNetOptions
from flipbatch.runtime.versions import versions

PROVENANCE = {
    "metrics": {"test": {"frames": {"f1": 0.75}}},
    "history": [{"epoch": 0}],
    "data": {"warnings": []},
}


def bundle(seed=0, threshold=0.25, **changes):
    torch.manual_seed(seed)
    values = {
        "name": "mine",
        "architecture": "cnn_model",
        "input_size": EIGHTH,
        "calibration": Calibration(2.0, threshold, offset=-1.5),
        "weights": as_arrays(CnnModel().state_dict()),
        "provenance": PROVENANCE,
    }
    return Bundle(**(values | changes))


@pytest.fixture
def saved(tmp_path):
    save_bundle(bundle(), str(tmp_path / "mine"))
    return tmp_path / "mine"


def change_model_card(directory, **changes):
    path = directory / MODEL_CARD_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def bundle_fingerprint(tmp_path, one):
    save_bundle(one, str(tmp_path))
    return load_bundle(str(tmp_path))[1]


def test_what_was_saved_is_loaded(saved):
    loaded, _ = load_bundle(str(saved))
    original = bundle()
    assert all(np.array_equal(loaded.weights[key], original.weights[key]) for key in original.weights)
    for name in ("name", "architecture", "input_size", "calibration"):
        assert getattr(loaded, name) == getattr(original, name)
    assert loaded.provenance == PROVENANCE | {"versions": versions()}


def test_saving_what_was_loaded_gives_the_same_bytes(saved, tmp_path):
    loaded, first = load_bundle(str(saved))
    assert bundle_fingerprint(tmp_path / "again", loaded) == first


def test_its_network_gives_the_same_logits(saved):
    torch.manual_seed(0)
    original, pixels = CnnModel().eval(), torch.zeros(1, 3, 64, 48)
    with torch.inference_mode():
        assert torch.equal(load_bundle(str(saved))[0].network()(pixels), original(pixels))


def test_its_network_is_ready_for_evaluation():
    assert not any(module.training for module in bundle().network().modules())


def test_the_bundle_fingerprint_depends_on_weights_and_model_card(tmp_path):
    same = [bundle_fingerprint(tmp_path / name, bundle()) for name in ("a", "b")]
    others = [
        bundle_fingerprint(tmp_path / "c", bundle(seed=1)),
        bundle_fingerprint(tmp_path / "d", bundle(threshold=0.5)),
    ]
    assert len(same[0]) == 64
    assert same[0] == same[1]
    assert len({same[0], *others}) == 3


def test_the_model_card_has_what_scoring_needs(saved):
    card = json.loads((saved / MODEL_CARD_FILE).read_text())
    assert card["format_version"] == FORMAT_VERSION
    assert card["input"] == {"height": 240, "width": 135}
    assert (card["threshold"], card["temperature"], card["offset"]) == (0.25, 2.0, -1.5)
    assert (card["classes"], card["positive_class"]) == (["notflip", "flip"], "flip")
    assert {"flipbatch", "python", "torch", "ray"} <= card["versions"].keys()


def test_provenance_never_overrides_what_scoring_needs():
    assert bundle(provenance={"threshold": 0.9, "name": "other"}).model_card()["threshold"] == 0.25


def test_a_bundle_without_an_offset_has_offset_0(saved):
    card = json.loads((saved / MODEL_CARD_FILE).read_text())
    del card["offset"]
    (saved / MODEL_CARD_FILE).write_text(json.dumps(card | {"format_version": 1}))
    assert load_bundle(str(saved))[0].calibration == Calibration(2.0, 0.25, offset=0.0)


def test_versions_that_would_ignore_the_offset_or_the_network_refuse_the_bundle():
    assert bundle().model_card()["format_version"] >= 3


def test_the_options_of_a_network_are_in_the_model_card(saved):
    card = json.loads((saved / MODEL_CARD_FILE).read_text())
    assert card["network"] == {"channels": [8, 16, 32, 64, 64], "plain": [], "maps": False}
    assert load_bundle(str(saved))[0].options == CnnOptions()


def test_a_network_of_other_options_is_built_again(tmp_path):
    options = MobileNetOptions(taps=(1, 3), standardise_pixels=True)
    weights = as_arrays(MobileNetV2(options).state_dict())
    save_bundle(bundle(architecture="mobilenet_v2", weights=weights, network_options=options), str(tmp_path))
    loaded = load_bundle(str(tmp_path))[0]
    assert loaded.options == options
    assert loaded.network().state_dict().keys() == weights.keys()


@pytest.mark.parametrize("name", ["cnn_model", "mobilenet_v2"])
def test_a_bundle_without_options_has_the_network_of_former_versions(saved, name):
    card = json.loads((saved / MODEL_CARD_FILE).read_text())
    del card["network"]
    former = card | {"architecture": name, "format_version": 2}
    (saved / MODEL_CARD_FILE).write_text(json.dumps(former))
    expected = {
        "cnn_model": CnnOptions(channels=(8, 16, 32, 64, 64)),
        "mobilenet_v2": MobileNetOptions(taps=(18,), poolings=("mean",)),
    }
    assert load_bundle(str(saved))[0].options == expected[name]


@pytest.mark.parametrize(
    "network",
    [
        None,
        [],
        {},
        {"channels": [8]},
        {"channels": [8], "plain": [], "more": 1},
        {"channels": 8, "plain": []},
    ],
)
def test_options_of_another_network_are_refused(saved, network):
    change_model_card(saved, network=network)
    with pytest.raises(BundleError, match=r"is damaged: (Value|Type)Error"):
        load_bundle(str(saved))


def test_kernels_may_be_stored_in_float16(saved, tmp_path):
    save_bundle(half_size(bundle()), str(tmp_path / "half"))
    loaded = load_bundle(str(tmp_path / "half"))[0]
    sizes = [(folder / WEIGHTS_FILE).stat().st_size for folder in (saved, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert {one.dtype for one in loaded.weights.values()} == {np.dtype("float32"), np.dtype("int64")}
    for name, one in bundle().weights.items():
        np.testing.assert_allclose(loaded.weights[name], one, rtol=1e-3, atol=1e-6)


def test_statistics_are_never_stored_in_float16():
    tiny = {**bundle().weights, "features.0.1.running_var": np.full(8, 1e-12, np.float32)}
    halved = half_size(bundle(weights=tiny)).weights
    assert (halved["features.0.1.running_var"] == np.float32(1e-12)).all()


def test_a_loss_that_diverged_becomes_null(tmp_path):
    history = [{"val": {"loss": loss}} for loss in (0.5, math.nan, math.inf)]
    save_bundle(bundle(provenance={"history": history}), str(tmp_path))
    losses = [entry["val"]["loss"] for entry in load_bundle(str(tmp_path))[0].provenance["history"]]
    assert losses == [0.5, None, None]


def test_any_storage_holds_a_bundle():
    save_bundle(bundle(), "memory://bundles/mine")
    assert load_bundle("memory://bundles/mine/")[0].name == "mine"


def test_the_model_card_is_written_last():
    class NoModelCard(type(fsspec.filesystem("memory"))):
        protocol = "cardless"
        store: dict = {}  # noqa: RUF012
        cachable = False

        def pipe_file(self, path, value, *_, **__):
            if path.endswith(MODEL_CARD_FILE):
                raise OSError("the disk is full")
            self.store[path] = value

    fsspec.register_implementation("cardless", NoModelCard, clobber=True)
    with pytest.raises(StorageError, match=f"{MODEL_CARD_FILE}.*the disk is full"):
        save_bundle(bundle(), "cardless://mine")
    assert [path.rpartition("/")[2] for path in NoModelCard.store] == [WEIGHTS_FILE, README_FILE]


@pytest.mark.parametrize("name", [MODEL_CARD_FILE, WEIGHTS_FILE])
def test_a_directory_without_both_files_is_not_a_bundle(saved, name):
    (saved / name).unlink()
    with pytest.raises(BundleError, match=f"not a model bundle: it has no {name}"):
        load_bundle(str(saved))


def test_a_missing_directory_is_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"nowhere is not a model bundle.*OUT/models/NAME"):
        load_bundle(str(tmp_path / "nowhere"))


DAMAGED = ["", "{", "[]", "null", '"card"', "{}", '{"format_version": null}', "\x00", "[" * 100_000]
DAMAGED += ['{"format_version": Infinity}', '{"format_version": 2, "versions": [1]}']


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_model_card_is_refused(saved, text):
    (saved / MODEL_CARD_FILE).write_text(text)
    with pytest.raises(BundleError, match=f"is damaged: its {MODEL_CARD_FILE} can't be read"):
        load_bundle(str(saved))


@pytest.mark.parametrize(
    "key", ["name", "architecture", "input", "temperature", "threshold", "preprocessing"]
)
def test_a_model_card_that_lacks_something_is_refused(saved, key):
    card = json.loads((saved / MODEL_CARD_FILE).read_text())
    del card[key]
    (saved / MODEL_CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(BundleError, match=f"is damaged: KeyError '{key}'"):
        load_bundle(str(saved))


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 2},
        {"temperature": 0},
        {"temperature": 10**400},
        {"offset": None},
        {"offset": float("nan")},
        {"input": [1]},
        {"input": {"height": 0, "width": 5}},
        {"input": {"height": 10**12, "width": 5}},
        {"input": {"height": float("inf"), "width": 5}},
    ],
)
def test_a_model_card_with_impossible_values_is_refused(saved, changes):
    change_model_card(saved, **changes)
    with pytest.raises(BundleError, match=r"is damaged: (Value|Type|Overflow)Error"):
        load_bundle(str(saved))


@pytest.mark.parametrize("cut", [0, 4, 1000, -1])
def test_cut_weights_are_refused(saved, cut):
    path = saved / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BundleError, match="is damaged: SafetensorError"):
        load_bundle(str(saved))


def test_one_wrong_bit_in_the_weights_is_detected(saved):
    data = bytearray((saved / WEIGHTS_FILE).read_bytes())
    data[-100] ^= 1
    (saved / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(BundleError, match=f"its {WEIGHTS_FILE} does not match the checksum"):
        load_bundle(str(saved))


def test_weights_of_another_bundle_are_detected(saved, tmp_path):
    save_bundle(bundle(seed=1), str(tmp_path / "other"))
    (saved / WEIGHTS_FILE).write_bytes((tmp_path / "other" / WEIGHTS_FILE).read_bytes())
    with pytest.raises(BundleError, match="does not match the checksum in its model card"):
        load_bundle(str(saved))


def test_a_newer_format_is_refused_with_the_version_that_made_it(saved):
    change_model_card(saved, format_version=FORMAT_VERSION + 1, versions={"flipbatch": "9.9"})
    with pytest.raises(BundleError, match=r"made by flipbatch 9.9; this is .* upgrade it"):
        load_bundle(str(saved))


def test_other_preprocessing_is_refused(saved):
    change_model_card(saved, preprocessing=bundles.preprocessing() | {"colour": "BGR"})
    with pytest.raises(BundleError, match="preprocessing that this version does not use"):
        load_bundle(str(saved))


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(BundleError, match="weights of mine do not fit mobilenet_v2"):
        bundle(architecture="mobilenet_v2").network()


def test_an_architecture_of_the_future_is_refused():
    with pytest.raises(BundleError, match="no architecture 'vit'"):
        bundle(architecture="vit").network()


def test_a_loaded_bundle_keeps_the_versions_that_it_was_trained_with(saved):
    change_model_card(saved, versions={"flipbatch": "0.0.9"})
    assert load_bundle(str(saved))[0].model_card()["versions"] == {"flipbatch": "0.0.9"}


def test_an_unknown_architecture_is_found_on_loading(saved):
    change_model_card(saved, architecture="resnet")
    with pytest.raises(BundleError, match="no architecture 'resnet'"):
        load_bundle(str(saved))
