"""Options of networks: what is read, and what is refused."""

import json

import pytest

from flipbatch.models.network_options import CnnOptions, MobileNetOptions

ALL = [
    CnnOptions(),
    CnnOptions((4, 8, 8), (2,)),
    MobileNetOptions(),
    MobileNetOptions((18,), ("mean",), True),
    CnnOptions(maps=True),
    MobileNetOptions(maps=True),
]


@pytest.mark.parametrize("options", ALL)
def test_what_was_written_is_read(options):
    assert type(options).from_json(json.loads(json.dumps(options.to_json()))) == options


def test_the_default_taps_are_in_the_middle():
    assert MobileNetOptions().taps == (6, 10, 13)
    assert MobileNetOptions().poolings == ("mean", "max")


@pytest.mark.parametrize(
    "changes",
    [
        {"taps": ()},
        {"taps": (19,)},
        {"taps": (-1,)},
        {"taps": (6, 6)},
        {"taps": (10, 6)},
        {"taps": (True,)},
        {"taps": ("6",)},
        {"poolings": ()},
        {"poolings": ("median",)},
        {"poolings": ("max", "mean")},
        {"poolings": "mean"},
        {"standardise_pixels": 1},
        {"maps": 1},
    ],
)
def test_impossible_options_of_mobilenet_v2_are_refused(changes):
    with pytest.raises(ValueError, match=r"taps|poolings|standardise_pixels|maps"):
        MobileNetOptions(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": ()},
        {"channels": (0,)},
        {"channels": (8.0,)},
        {"channels": (10**12,)},
        {"channels": (8,) * 1000},
        {"plain": (0,)},
        {"plain": (5,)},
        {"plain": (2, 1)},
        {"maps": None},
        {"channels": (8, 8, 8), "maps": True},
        {"plain": (2, 4), "maps": True},
    ],
)
def test_impossible_options_of_cnn_model_are_refused(changes):
    with pytest.raises(ValueError, match=r"channels|blocks|plain|maps"):
        CnnOptions(**changes)


def test_a_missing_and_an_unknown_option_are_refused():
    for value in ({"channels": [8]}, {"channels": [8], "plain": [], "width": 2}):
        with pytest.raises(ValueError, match=r"not \['channels', 'maps', 'plain'\]"):
            CnnOptions.from_json(value)


@pytest.mark.parametrize("options", [CnnOptions(), MobileNetOptions()])
def test_options_say_whether_there_are_maps(options):
    written = options.to_json()
    del written["maps"]
    with pytest.raises(ValueError, match="maps"):
        type(options).from_json(written)


@pytest.mark.parametrize(("plain", "block"), [((), 3), ((4,), 4), ((2, 5), 5), ((1, 2, 3), 6)])
def test_the_maps_of_cnn_model_come_from_the_last_block_behind_three_halvings(plain, block):
    assert CnnOptions(channels=(8,) * 8, plain=plain).map_block == block


def test_taps_before_halving_blocks_are_larger_than_the_last():
    options = MobileNetOptions(taps=(3, 6, 10, 13))
    assert [options.shrinkage(tap) for tap in options.taps] == [4, 2, 1, 1]
