"""How each model is trained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.training.recipes import FEWEST_NORMALISED, Batches, Recipe, recipe_for


def rates(recipe, epochs, per_epoch=20):
    return [recipe.rate_at(step / per_epoch, epochs) for step in range(epochs * per_epoch + 1)]


@given(st.integers(1, 60), st.integers(0, 4), st.floats(0, 1))
def test_the_rate_is_always_above_zero_and_never_above_the_largest(epochs, frozen, part):
    rate = Recipe(1e-3, frozen_epochs=frozen).rate_at(part * epochs, epochs)
    assert 0.001 < rate <= 1


def test_it_rises_over_one_epoch_then_falls():
    shares = rates(Recipe(1e-3), epochs=30)
    top = shares.index(max(shares))
    assert 15 <= top <= 20
    assert shares[:top] == sorted(shares[:top])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert shares[0] < 0.11
    assert shares[top] > 0.99
    assert shares[-1] == pytest.approx(0.02)


def test_each_phase_rises_and_falls_on_its_own():
    shares = rates(Recipe(1e-3, frozen_epochs=3), epochs=20)
    assert shares[59] < 0.1  # the end of the frozen phase, then the start of the next
    assert shares[60] < 0.11
    assert max(shares[:60]) > 0.7
    assert max(shares[60:]) > 0.9


def test_there_may_be_more_frozen_epochs_than_epochs():
    assert min(rates(Recipe(1e-3, frozen_epochs=5), epochs=2)) > 0


def test_pretrained_layers_wait_for_the_head_and_learn_more_slowly():
    recipe = recipe_for("mobilenet_v2", pretrained=True)
    assert recipe.frozen_epochs >= 1
    assert recipe.feature_rate < 1


@pytest.mark.parametrize("name", ["cnn_model", "mobilenet_v2"])
def test_with_a_trained_head_all_layers_learn_at_once_and_slowly_below_it(name):
    recipe = recipe_for(name, pretrained=True, whole=True)
    assert (recipe.frozen_epochs, recipe.low_res_share) == (0, 0.0)
    assert recipe.learning_rate * recipe.feature_rate <= 3e-4


@pytest.mark.parametrize("name", ["cnn_model", "mobilenet_v2"])
def test_from_scratch_all_layers_learn_at_once(name):
    recipe = recipe_for(name, pretrained=False)
    assert (recipe.frozen_epochs, recipe.feature_rate) == (0, 1.0)
    assert recipe.learning_rate > 0


# ------------------------------------------------------------------------------ several ranks


def test_one_rank_takes_the_recipes_batch():
    assert Recipe(1e-3, batch_size=32).batches(1, trains_statistics=True) == Batches(32, 1.0)
    assert Recipe(1e-3, batch_size=8).batches(1, trains_statistics=True) == Batches(8, 1.0)


def test_ranks_share_the_batch_where_no_statistics_are_learnt():
    assert Recipe(1e-3, batch_size=32).batches(8, trains_statistics=False) == Batches(4, 1.0)


@given(st.integers(1, 256), st.sampled_from([16, 32, 64]))
def test_a_rank_that_learns_statistics_gets_enough_frames(ranks, size):
    batches = Recipe(1e-3, batch_size=size).batches(ranks, trains_statistics=True)
    assert batches.frames_per_rank >= FEWEST_NORMALISED
    assert batches.rate_factor == pytest.approx(max(1, batches.frames_per_rank * ranks / size) ** 0.5)


def test_four_times_the_batch_has_twice_the_rate():
    assert Recipe(1e-3, batch_size=32).batches(8, trains_statistics=True) == Batches(16, 2.0)


def test_more_ranks_than_frames_get_a_frame_each():
    assert Recipe(1e-3, batch_size=8).batches(20, trains_statistics=False).frames_per_rank == 1
