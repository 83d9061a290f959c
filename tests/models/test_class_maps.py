"""Class maps: which cells there are, how they are pooled, and what of them learns."""

import pytest
import torch

from flipbatch.models.architectures import ARCHITECTURES, EIGHTH, architecture
from flipbatch.models.class_maps import pooled_maps
from flipbatch.models.cnn_model import CnnModel
from flipbatch.models.mobilenet_v2 import MobileNetV2
from flipbatch.models.network_options import MAP_CLASSES, CnnOptions, MobileNetOptions
from flipbatch.synthetic.frame_state import Region

BOTH = [CnnModel(CnnOptions(maps=True)), MobileNetV2(MobileNetOptions(maps=True))]


@pytest.fixture(params=["cnn_model", "mobilenet_v2"])
def network(request):
    chosen = architecture(request.param)
    torch.manual_seed(0)
    return chosen.build(chosen.options(maps=True))  # type: ignore[call-arg]


def pixels(count, height=EIGHTH.height, width=EIGHTH.width):
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def statistics(module):
    return {n: v.clone() for n, v in module.named_buffers() if n.endswith(("running_mean", "running_var"))}


def changed(before, module):
    return {name for name, value in statistics(module).items() if not torch.equal(value, before[name])}


def test_the_classes_are_what_rendered_pixels_show():
    assert tuple(region.name.lower() for region in Region) == MAP_CLASSES


def test_maps_are_pooled_by_mean_maximum_and_the_four_largest_cells():
    maps = torch.arange(24.0).view(1, 1, 4, 6).repeat(2, 4, 1, 1) + torch.arange(4.0).view(1, 4, 1, 1)
    by_class = torch.arange(4.0)
    expected = torch.cat([11.5 + by_class, 23 + by_class, 21.5 + by_class])
    assert torch.equal(pooled_maps(maps), expected.expand(2, 12))


def test_fewer_than_four_cells_are_averaged_all():
    assert torch.equal(pooled_maps(torch.tensor([[[[1.0, 5.0]]]])), torch.tensor([[3.0, 5.0, 3.0]]))


@pytest.mark.parametrize(
    ("network", "cells", "window"),
    [(BOTH[0], (10, 6), (0, 0, 240, 135)), (BOTH[1], (14, 8), (8, 3, 232, 131))],
)
def test_cells_cover_a_window_of_the_input(network, cells, window):
    seen = network.eval().look(pixels(2))
    assert network.logits(seen).shape == (2,)
    assert seen.maps.shape == (2, 4, *cells)
    assert seen.levels[1].shape[2:] == cells
    assert network.map_window(EIGHTH.height, EIGHTH.width) == window


def test_the_logit_is_that_of_what_the_network_sees(network):
    with torch.inference_mode():
        seen = network.eval().look(pixels(2))
        assert torch.equal(network.logits(seen), network(pixels(2)))
        assert torch.equal(seen.features, network.embed(pixels(2)))


def test_the_finer_level_has_four_times_the_cells_of_the_maps(network):
    with torch.inference_mode():
        finer, level = network.eval().look(pixels(1)).levels
    assert finer.shape[2] in (2 * level.shape[2], 2 * level.shape[2] - 1)


def test_the_head_takes_the_pooled_maps_last(network):
    with torch.inference_mode():
        maps = network.eval().look(pixels(2)).maps
        assert torch.equal(network.embed(pixels(2))[:, -12:], pooled_maps(maps))
    assert network.head[0].momentum == 0.05


def test_a_cell_shows_what_lies_there(network):
    """Only the upper half of the frame changes, and only maps of cells above the middle do."""
    frame = pixels(1).float()
    other = frame.clone()
    other[:, :, : EIGHTH.height // 4] = 0
    with torch.inference_mode():
        moved = (network.eval().look(frame).maps - network.look(other).maps).abs().amax(dim=(0, 1, 3))
    assert moved[0] > 10 * moved[-1]


@pytest.mark.parametrize("taps", [(0,), (1, 4, 18), (3, 6, 14)])
def test_any_taps_give_maps_of_the_size_of_the_last(taps):
    network = MobileNetV2(MobileNetOptions(taps=taps, maps=True)).eval()
    sizes = []
    network.features[-1].register_forward_hook(lambda _, __, output: sizes.append(output.shape[2:]))
    for height, width in [(240, 135), (100, 70)]:
        maps = network.look(pixels(1, height, width)).maps
        assert maps is not None
        assert maps.shape[2:] == sizes.pop()


def test_layers_below_the_maps_learn_from_them_alone(network):
    network.train().look(pixels(2)).maps.sum().backward()
    learns = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert {"maps.0.weight", "features.0.0.weight"} <= learns
    assert not any(name.startswith("head.") for name in learns)


def test_frozen_statistics_are_those_of_the_pretrained_layers_alone(network):
    network.statistics_frozen = True
    for mode in (True, False, True):
        network.train(mode)
    before = statistics(network)
    network(pixels(4))
    assert changed(before, network) == {name for name in before if name.startswith(("maps.", "head."))}


def test_evaluation_moves_no_statistics(network):
    before = statistics(network)
    network.train().eval()(pixels(2))
    assert not changed(before, network)


def test_imagenet_weights_leave_the_layers_of_the_maps_as_they_are():
    network = MobileNetV2(MobileNetOptions(maps=True))
    before = {name: value.clone() for name, value in network.maps.state_dict().items()}  # type: ignore[union-attr]
    network.load_features(MobileNetV2(MobileNetOptions(taps=(18,))).state_dict())
    assert all(torch.equal(value, before[name]) for name, value in network.maps.state_dict().items())  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_without_maps_has_no_layers_of_them(name):
    network = architecture(name).build()
    assert {key for key in network.state_dict() if not key.startswith("features.")} == {
        "head.1.weight",
        "head.1.bias",
    }
    assert network.look(pixels(1)).maps is None
