"""Sums, statistics and whole fits on real ranks, with unequal shares."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from flipbatch.models.cnn_model import CnnModel
from flipbatch.training.assess import scored_frames
from flipbatch.training.distributed import (
    average_statistics,
    gather_rows,
    is_distributed,
    largest_over_ranks,
    rank,
    sum_over_ranks,
)
from flipbatch.training.epoch import Loss, evaluate
from flipbatch.training.fit import Fit, Settings
from flipbatch.training.recipes import Recipe, recipe_for
from tests.training.ranks import on_ranks
from tests.training.small_frames import cache_of

CPU = torch.device("cpu")
TRAIN_FRAMES, VAL_FRAMES = 48, 22
TRAIN_CUTS = {2: [0, 31, 48], 3: [0, 10, 35, 48]}
VAL_CUTS = {2: [0, 5, 22], 3: [0, 9, 9, 22]}  # the second of three ranks has no validation frame
SETTINGS = Settings(epochs=6, patience=2, min_delta=0.05)


# ------------------------------------------------------------------------------ alone


def test_one_rank_alone_keeps_its_own():
    values, network = torch.arange(3.0), nn.BatchNorm1d(2)
    assert not is_distributed()
    assert rank() == 0
    assert torch.equal(sum_over_ranks(values), values)
    assert largest_over_ranks(7, CPU) == 7
    assert gather_rows([1, 2]) == [1, 2]
    average_statistics(network)
    assert torch.equal(network.running_mean, torch.zeros(2))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ primitives


def agree(number: int) -> dict[str, Any]:
    network = nn.BatchNorm1d(1)
    network.running_mean.fill_(10.0 * number)  # type: ignore[union-attr]
    network.running_var.fill_(1.0 + number)  # type: ignore[union-attr]
    average_statistics(network)
    own = torch.tensor([1.0, float(number)])
    return {
        "rank": rank(),
        "sum": sum_over_ranks(own).tolist(),
        "own": own.tolist(),
        "largest": largest_over_ranks(5 - number, CPU),
        "rows": gather_rows([(number, row) for row in range(number)]),
        "mean": float(network.running_mean),  # type: ignore[arg-type]
        "variance": float(network.running_var),  # type: ignore[arg-type]
    }


@cache
def agreed():
    return on_ranks(3, agree)


def test_every_rank_knows_its_number():
    assert [one["rank"] for one in agreed()] == [0, 1, 2]


def test_sums_and_maxima_are_the_same_on_all_ranks():
    assert [one["sum"] for one in agreed()] == [[3.0, 3.0]] * 3
    assert [one["largest"] for one in agreed()] == [5] * 3


def test_summing_leaves_each_ranks_own_values():
    assert [one["own"] for one in agreed()] == [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]


def test_rows_are_gathered_in_the_order_of_ranks_though_one_has_none():
    assert [one["rows"] for one in agreed()] == [[(1, 0), (2, 0), (2, 1)]] * 3


def test_statistics_are_those_of_all_frames_together():
    # Means 0, 10, 20 and variances 1, 2, 3: the variance of the means is 200 / 3.
    expected = pytest.approx(2 + 200 / 3)
    assert [(one["mean"], one["variance"]) for one in agreed()] == [(10.0, expected)] * 3


# ------------------------------------------------------------------------------ a whole fit


class MeanColour(nn.Module):
    """Nothing but statistics and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(pixels.float()).mean(dim=(2, 3))).squeeze(1)


def statistics_of_dark_and_bright(number: int) -> float:
    network, frames = MeanColour(), cache_of(32)
    frames.pixels.fill_(60 + 120 * number)
    recipe = Recipe(learning_rate=0.0, batch_size=4)
    Fit(network, frames, frames, Loss(1, 1), recipe, Settings(epochs=4)).run(lambda *_: None)
    return float(network.features.running_mean.mean())  # type: ignore[union-attr]


def test_statistics_are_of_the_frames_of_all_ranks():
    means = on_ranks(2, statistics_of_dark_and_bright)
    assert means[0] == means[1]
    assert means[0] == pytest.approx((60 + 180) / 2, rel=0.1)


def first_frames_seen(number: int) -> float:
    network, frames, seen = MeanColour(), cache_of(8), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(float(inputs[0].sum())))
    Fit(network, frames, frames, Loss(1, 1), Recipe(1e-3), Settings(epochs=1)).run(lambda *_: None)
    return seen[0]


def test_ranks_see_frames_varied_differently():
    first, second = on_ranks(2, first_frames_seen)
    assert first != second


def share(count: int, cuts: list[int], number: int) -> Any:
    return cache_of(count, seed=count, rows=slice(cuts[number], cuts[number + 1]))


def fit_on_rank(number: int, world_size: int) -> dict[str, Any]:
    torch.manual_seed(0)
    network = CnnModel()
    train = share(TRAIN_FRAMES, TRAIN_CUTS[world_size], number)
    val = share(VAL_FRAMES, VAL_CUTS[world_size], number)
    recipe = Recipe(learning_rate=4e-3, frozen_epochs=1, batch_size=12, low_res_share=0.2)
    epochs = []
    fit = Fit(network, train, val, Loss(24, 24), recipe, SETTINGS)
    fitted = fit.run(lambda entry, _: epochs.append(entry["epoch"]))
    network.load_state_dict(fitted.weights)
    logits = evaluate(network, val, Loss(24, 24), CPU)[1]
    return {**vars(fitted), "reported": epochs, "scored": scored_frames(val, logits)}


@cache
def fitted_on(world_size: int) -> list[dict[str, Any]]:
    return on_ranks(world_size, fit_on_rank, world_size)


@pytest.mark.parametrize("world_size", [2, 3])
def test_all_ranks_stop_at_one_epoch_with_one_history(world_size):
    first, *others = fitted_on(world_size)
    assert first["history"]
    for other in others:
        assert other["history"] == first["history"]
        assert other["reported"] == first["reported"]
        assert (other["best_epoch"], other["stopped_early"]) == (first["best_epoch"], first["stopped_early"])


@pytest.mark.parametrize("world_size", [2, 3])
def test_all_ranks_return_the_same_bits(world_size):
    first, *others = (one["weights"] for one in fitted_on(world_size))
    assert all(torch.equal(first[key], other[key]) for other in others for key in first)


@pytest.mark.parametrize("world_size", [2, 3])
def test_validation_is_that_of_one_process_with_all_frames(world_size):
    fitted = fitted_on(world_size)[0]
    network = CnnModel()
    network.load_state_dict(fitted["weights"])
    alone, _ = evaluate(network, cache_of(VAL_FRAMES, seed=VAL_FRAMES), Loss(24, 24), CPU)
    together = fitted["history"][fitted["best_epoch"]]["val"]
    assert together == pytest.approx(alone.to_json(), abs=1e-5)


@pytest.mark.parametrize("world_size", [2, 3])
def test_every_validation_frame_is_scored_once_whatever_the_shares(world_size):
    rows = [[frame[:3] for frame in one["scored"]] for one in fitted_on(world_size)]
    val = cache_of(VAL_FRAMES, seed=VAL_FRAMES)
    expected = list(zip(val.video_id.tolist(), range(VAL_FRAMES), val.positive.tolist(), strict=True))
    assert rows == [expected] * world_size


# ------------------------------------------------------------------------------ workers and F1


def dealt(frames: int, number: int, ranks: int) -> Any:
    return np.random.default_rng(0).permutation(frames)[number::ranks]


def f1_on_rank(number: int, ranks: int, frames: int, epochs: int) -> dict[str, Any]:
    """Fit `cnn_model` by its recipe on this rank's share of noisy frames; return F1 on others."""
    torch.manual_seed(0)
    network = CnnModel()
    train = cache_of(frames, noise=60).take(dealt(frames, number, ranks))
    val = cache_of(64, seed=1, noise=60).take(dealt(64, number, ranks))
    recipe = recipe_for("cnn_model", pretrained=False)
    fit = Fit(network, train, val, Loss(1, 1), recipe, Settings(epochs=epochs, patience=epochs))
    fitted = fit.run(lambda *_: None)
    network.load_state_dict(fitted.weights)
    test = evaluate(network, cache_of(200, seed=2, noise=60), Loss(1, 1), CPU)[0]
    return {"f1": test.counts.f1, "frames": fit.batches.frames_per_rank}


def f1_of(ranks: int, frames: int, epochs: int) -> float:
    outcomes = on_ranks(ranks, f1_on_rank, ranks, frames, epochs)
    assert {one["frames"] for one in outcomes} == {max(16, 32 // ranks)}
    return outcomes[0]["f1"]


def test_two_and_four_workers_reach_the_f1_of_one():
    alone = f1_of(1, 128, 8)
    assert [f1_of(ranks, 128, 8) for ranks in (2, 4)] == pytest.approx([alone] * 2, abs=0.05)


@pytest.mark.slow
def test_workers_reach_the_f1_of_one_whatever_their_number():
    alone = f1_of(1, 512, 12)
    assert alone > 0.95
    assert [f1_of(ranks, 512, 12) for ranks in (2, 4, 8)] == pytest.approx([alone] * 3, abs=0.03)


def alone_in_a_group(_: int) -> bool:
    return dist.is_initialized() and is_distributed()


def test_a_group_of_one_is_not_distributed():
    assert on_ranks(1, alone_in_a_group) == [False]
