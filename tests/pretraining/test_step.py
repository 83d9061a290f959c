"""Steps of pretraining: what learns, and how a run goes on."""

from dataclasses import replace

import pytest
import torch

from flipbatch.models.architectures import architecture
from flipbatch.models.network_options import CnnOptions
from flipbatch.pretraining.data import augmented
from flipbatch.pretraining.frozen_blocks import speed_up_frozen
from flipbatch.pretraining.pool import Batch
from flipbatch.pretraining.recipe import PretrainRecipe
from flipbatch.pretraining.step import Pretraining, StepLosses

RECIPE = PretrainRecipe(CnnOptions((4, 4, 4, 8), maps=True), warmup_steps=1)


def training(recipe: PretrainRecipe = RECIPE, steps: int = 8) -> Pretraining:
    torch.manual_seed(0)
    return Pretraining(architecture("cnn_model").build(recipe.network), recipe, steps)


def batch(seed: int = 0) -> Batch:
    """Return eight dark and bright frames; the bright ones are flips and show a page in the air."""
    generator = torch.Generator().manual_seed(seed)
    positive = torch.arange(8) % 2 == 1
    level = torch.where(positive, 200, 50)[:, None, None, None]
    pixels = (level + torch.randint(0, 40, (8, 96, 54, 3), generator=generator)).to(torch.uint8)
    regions = torch.where(positive, 2, 1)[:, None, None].expand(8, 96, 54).to(torch.uint8)
    return Batch(pixels, regions.contiguous(), positive)


def step(run: Pretraining, seed: int) -> StepLosses:
    generator = torch.Generator().manual_seed(seed)
    return run.step(augmented(batch(seed), generator, torch.device("cpu")))


def take(run: Pretraining, steps: int) -> None:
    for _ in range(steps):
        torch.manual_seed(run.done)
        step(run, run.done)


def test_the_losses_of_labels_and_of_maps_fall():
    run = training(steps=60)
    first = step(run, 0)
    take(run, 40)
    last = step(run, 0)
    assert last.label < first.label
    assert last.maps < first.maps


def test_frozen_blocks_keep_their_weights_and_others_learn():
    run = training(replace(RECIPE, frozen_blocks=2))
    before = {name: value.clone() for name, value in run.averaged.state_dict().items()}
    take(run, 3)
    after = run.averaged.state_dict()
    changed = {name for name in before if "weight" in name and not torch.equal(before[name], after[name])}
    assert not {name for name in changed if name.startswith(("features.0.0", "features.1.0"))}
    assert {"features.2.0.weight", "head.2.weight", "maps.0.weight"} <= changed


def test_the_rate_of_features_is_their_own():
    run = training(replace(RECIPE, feature_rate=0.0, weight_decay=0.0))
    before = run.averaged.state_dict()["features.1.0.weight"].clone()
    take(run, 2)
    assert torch.equal(run.averaged.state_dict()["features.1.0.weight"], before)


def test_a_run_that_goes_on_gives_the_weights_of_one_that_was_not_interrupted():
    whole, first, second = training(), training(), training()
    take(whole, 6)
    take(first, 3)
    second.resume(first.checkpoint())
    take(second, 3)
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, second.averaged.state_dict()[name]), name


def test_the_average_forgets_the_random_start():
    recipe = PretrainRecipe(CnnOptions())
    kept = 1.0
    for step in range(1, 1001):
        kept *= recipe.average_weight(step)
    assert kept < 1e-4
    assert recipe.average_weight(10**6) == recipe.longest_average


@pytest.mark.parametrize(("step", "share"), [(0, 1 / 150), (149, 1.0), (10_000, 1.0)])
def test_the_rate_rises_to_its_largest(step: int, share: float):
    assert PretrainRecipe(CnnOptions()).rate_at(step, 0.0) == pytest.approx(share)


def test_frozen_blocks_give_the_outputs_of_torch_whatever_runs_them():
    torch.manual_seed(0)
    network = architecture("cnn_model").build(RECIPE.network).eval()
    pixels = batch().pixels.permute(0, 3, 1, 2)
    expected, names = network(pixels), list(network.state_dict())
    speed_up_frozen(network.features, 3, used=(1,), threads=1)
    assert torch.allclose(network(pixels), expected, atol=1e-4)
    assert list(network.state_dict()) == names
