"""MobileNetV2: its layers and the sources of its weights."""

import os
import socket
import time
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from flipbatch.errors import WeightsError
from flipbatch.models.architectures import EIGHTH, architecture
from flipbatch.models.mobilenet_v2 import MobileNetV2, read_weights
from flipbatch.models.network_options import MobileNetOptions

ALTERNATIVES = "(?s)--weights imagenet.*--weights URI.*--weights none"


@pytest.fixture(scope="module")
def imagenet_like():
    """Return weights with torchvision's names, classifier included, and unusual statistics."""
    from torchvision.models import mobilenet_v2

    torch.manual_seed(1)
    weights = mobilenet_v2(weights=None).state_dict()
    return {name: value + 0.5 if name.endswith("running_mean") else value for name, value in weights.items()}


def pixels(count, height=64, width=64):
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def statistics(network):
    return {n: v.clone() for n, v in network.named_buffers() if n.endswith(("running_mean", "running_var"))}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_one_logit_a_frame():
    network = MobileNetV2().eval()
    with torch.inference_mode():
        assert network(pixels(2, EIGHTH.height, EIGHTH.width)).shape == (2,)
        assert network(pixels(0)).shape == (0,)


@pytest.mark.parametrize("last", [0, 6, 13, 18])
def test_it_is_torchvisions_network_up_to_the_last_tap(imagenet_like, last):
    from torchvision.models import mobilenet_v2

    ours, theirs = MobileNetV2(MobileNetOptions(taps=(last,))), mobilenet_v2(weights=None)
    ours.load_features(imagenet_like)
    theirs.load_state_dict(imagenet_like)
    normalised = ours.normalise(pixels(2))
    with torch.inference_mode():
        expected = theirs.eval().features[: last + 1](normalised)
        assert torch.equal(ours.eval().features(normalised), expected)


def test_the_head_takes_the_mean_and_the_maximum_of_each_tap(imagenet_like):
    network = MobileNetV2(MobileNetOptions(taps=(1, 6)))
    network.load_features(imagenet_like)
    outputs = []
    for tap in (1, 6):
        network.features[tap].register_forward_hook(lambda _, __, output: outputs.append(output))
    with torch.inference_mode():
        embedded = network.eval().embed(pixels(2))
    pooled = [pool(one) for one in outputs for pool in (mean, largest)]
    assert torch.equal(embedded, torch.cat(pooled, dim=1))
    assert embedded.shape == (2, 2 * (16 + 32))


def mean(features):
    return features.mean(dim=(2, 3))


def largest(features):
    return features.amax(dim=(2, 3))


def test_nothing_behind_the_last_tap_is_stored():
    names = MobileNetV2(MobileNetOptions(taps=(2, 4))).state_dict()
    assert {int(name.split(".")[1]) for name in names if name.startswith("features.")} == set(range(5))


def test_the_last_layer_alone_is_the_network_of_former_versions(imagenet_like):
    network = MobileNetV2(architecture("mobilenet_v2").former)  # type: ignore[arg-type]
    assert network.state_dict()["head.1.weight"].shape == (1, 1280)
    assert network.state_dict().keys() - imagenet_like.keys() == {"head.1.weight", "head.1.bias"}


def test_standardised_pixels_make_light_and_contrast_of_a_frame_irrelevant():
    network = MobileNetV2(MobileNetOptions(standardise_pixels=True)).eval()
    frame = pixels(1).float()
    tint = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(network(frame * tint + 20), network(frame), atol=1e-3, rtol=1e-3)


def test_it_takes_the_centre_crop():
    frames = pixels(2, EIGHTH.height, EIGHTH.width).float().requires_grad_()
    (moved_by,) = torch.autograd.grad(MobileNetV2().train()(frames)[0], frames)
    _, _, rows, columns = moved_by.nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 231, 3, 130)


def test_from_scratch_training_moves_the_statistics():
    network = MobileNetV2().train()
    before = statistics(network)
    network(pixels(2))
    assert not equal(before, statistics(network))


def test_pretrained_statistics_stay_through_training(imagenet_like):
    network = MobileNetV2()
    network.load_features(imagenet_like)
    before = statistics(network)
    network.train()(pixels(2))
    network.eval()
    network.train()(pixels(3))
    assert equal(before, statistics(network))


def test_pretrained_layers_still_learn(imagenet_like):
    network = MobileNetV2()
    network.load_features(imagenet_like)
    network.train()(pixels(2)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: w.pop("features.0.0.weight"), "Missing key"),
        (lambda w: w.update({"features.0.9.weight": torch.zeros(1)}), "Unexpected key"),
        (lambda w: w.update({"features.0.0.weight": torch.zeros(8, 3, 3, 3)}), "size mismatch"),
        (lambda w: w.clear(), "Missing key"),
    ],
)
def test_weights_of_another_network_are_refused(imagenet_like, change, why):
    weights = dict(imagenet_like)
    change(weights)
    with pytest.raises(WeightsError, match=f"do not fit torchvision's MobileNetV2: .*{why}"):
        MobileNetV2().load_features(weights)


def test_layers_behind_the_last_tap_need_not_be_there(imagenet_like):
    needed = {n: v for n, v in imagenet_like.items() if not n.startswith(("features.14", "features.18"))}
    MobileNetV2().load_features(needed)


def test_weights_come_from_a_safetensors_file(tmp_path, imagenet_like):
    save_file(imagenet_like, tmp_path / "weights.safetensors")
    assert equal(read_weights(str(tmp_path / "weights.safetensors")), imagenet_like)


def test_weights_come_from_any_storage(imagenet_like):
    import fsspec

    fsspec.filesystem("memory").pipe_file("/mobilenet/weights.safetensors", save(imagenet_like))
    assert equal(read_weights("memory://mobilenet/weights.safetensors"), imagenet_like)


def test_weights_come_from_a_pth_file(tmp_path, imagenet_like):
    torch.save(imagenet_like, tmp_path / "weights.pth")
    assert equal(read_weights(str(tmp_path / "weights.pth")), imagenet_like)


class MakesDirectory:
    """An object whose unpickling executes code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_file_that_would_execute_code_is_refused(tmp_path):
    torch.save({"features": MakesDirectory(str(tmp_path / "executed"))}, tmp_path / "weights.pth")
    with pytest.raises(
        WeightsError, match=r"has code besides weights, which is not executed.*--weights none"
    ):
        read_weights(str(tmp_path / "weights.pth"))
    assert not (tmp_path / "executed").exists()


def test_a_file_whose_names_are_not_text_is_refused(tmp_path):
    torch.save({None: 1}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="has no state dict"):
        read_weights(str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("content", [b"", b"not weights", np.arange(100).tobytes()])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=ALTERNATIVES):
        read_weights(str(tmp_path / name))


def test_a_file_without_a_state_dict_is_refused(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="has no state dict"):
        read_weights(str(tmp_path / "weights.pth"))


def test_a_missing_file_is_named_with_the_alternatives(tmp_path):
    with pytest.raises(WeightsError, match=f"nowhere.pth.*{ALTERNATIVES[4:]}"):
        read_weights(str(tmp_path / "nowhere.pth"))


def test_without_a_network_the_download_fails_at_once(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        assert socket.getdefaulttimeout() is not None
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    start, time_out = time.monotonic(), socket.getdefaulttimeout()
    with pytest.raises(WeightsError, match=f"name resolution.*{ALTERNATIVES[4:]}"):
        read_weights("imagenet")
    assert time.monotonic() - start < 10
    assert socket.getdefaulttimeout() == time_out


@pytest.mark.skipif(
    "FLIPBATCH_IMAGENET_WEIGHTS" not in os.environ,
    reason="FLIPBATCH_IMAGENET_WEIGHTS is not set to a file of torchvision's MobileNetV2 weights",
)
def test_imagenet_weights_separate_more_than_random_ones():
    network = MobileNetV2(MobileNetOptions(taps=(18,)))
    network.load_features(read_weights(os.environ["FLIPBATCH_IMAGENET_WEIGHTS"]))
    flat, striped = torch.full((1, 3, 64, 64), 128.0), torch.full((1, 3, 64, 64), 128.0)
    striped[..., ::8] = 255
    with torch.inference_mode():
        one, other = (network.eval().features(network.normalise(p)).mean(dim=(2, 3)) for p in (flat, striped))
    assert torch.nn.functional.cosine_similarity(one, other) < 0.9
    assert 0.05 < other.mean() < 2
