"""A training run: learning, early stopping, resume, phases."""

import io

import pytest
import torch

from flipbatch.errors import JobError
from flipbatch.models.cnn_model import CnnModel
from flipbatch.models.mobilenet_v2 import MobileNetV2
from flipbatch.models.network_options import CnnOptions
from flipbatch.training.epoch import Loss
from flipbatch.training.fit import Fit, Settings, describe
from flipbatch.training.recipes import Recipe
from tests.training.small_frames import cache_of

TRAIN, VAL, LOSS = cache_of(32, seed=1), cache_of(16, seed=2), Loss(16, 16)
RECIPE = Recipe(learning_rate=4e-3, frozen_epochs=1, batch_size=8)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def new(network=None, recipe=RECIPE, **settings):
    torch.manual_seed(0)
    return Fit(network or CnnModel(), TRAIN, VAL, LOSS, recipe, Settings(**settings))


def run(fit):
    """Return what was fitted and the checkpoint of each epoch."""
    checkpoints = []
    return fit.run(lambda _, checkpoint: checkpoints.append(checkpoint)), checkpoints


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def equal(one, other):
    return same(one.weights, other.weights) and vars(one) | {"weights": 0} == vars(other) | {"weights": 0}


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def changed(before, network):
    return {name for name, value in network.state_dict().items() if not torch.equal(before[name], value)}


# ------------------------------------------------------------------------------ learn and stop


def test_it_learns_what_can_be_learnt():
    fitted, _ = run(new(recipe=Recipe(4e-3, batch_size=4), epochs=12))
    best = fitted.history[fitted.best_epoch]
    assert best["val"]["f1"] == 1.0
    assert best["val"]["loss"] < fitted.history[0]["val"]["loss"] / 2


def test_history_has_an_entry_for_each_epoch_as_it_was_reported():
    entries = []
    fitted = new(epochs=3).run(lambda entry, _: entries.append(entry))
    assert fitted.history == entries
    assert [entry["epoch"] for entry in entries] == [0, 1, 2]
    assert entries[0].keys() == {"epoch", "train", "val", "improved", "low_res", "learning_rate"}
    assert not fitted.stopped_early


def test_it_stops_early_and_returns_the_best_weights_not_the_last():
    fitted, checkpoints = run(new(epochs=9, patience=2, min_delta=99.0))
    assert fitted.stopped_early
    assert (len(fitted.history), fitted.best_epoch) == (3, 0)
    assert same(fitted.weights, checkpoints[0]["network"])
    assert not same(fitted.weights, checkpoints[-1]["network"])


def test_patience_that_ends_with_the_last_epoch_is_not_early_stopping():
    fitted, _ = run(new(epochs=3, patience=2, min_delta=99.0))
    assert not fitted.stopped_early


def test_the_best_weights_do_not_change_as_training_goes_on():
    network = CnnModel()
    fitted, _ = run(new(network, epochs=3, patience=3, min_delta=99.0))
    assert changed(fitted.weights, network)


def test_a_loss_that_is_never_a_number_is_an_error():
    with pytest.raises(JobError, match="Training diverged: the validation loss was never a number"):
        run(new(recipe=Recipe(float("inf"), batch_size=8), epochs=3, patience=2))


def test_the_best_weights_before_training_diverged_are_kept():
    good, checkpoints = run(new(epochs=2))
    last = checkpoints[-1]
    broken = last | {
        "network": {n: v * float("nan") if v.is_floating_point() else v for n, v in last["network"].items()}
    }
    fit = new(epochs=9, patience=2)
    fit.resume(broken)
    fitted, _ = run(fit)
    assert same(fitted.weights, good.weights)
    assert (fitted.best_epoch, len(fitted.history)) == (good.best_epoch, 4)


# ------------------------------------------------------------------------------ repeat and resume


def test_the_same_seed_gives_the_same_bits():
    assert equal(run(new(epochs=2, seed=3))[0], run(new(epochs=2, seed=3))[0])


def test_another_seed_gives_other_weights():
    one, other = (run(new(epochs=1, seed=seed))[0] for seed in (3, 4))
    assert not same(one.weights, other.weights)


@pytest.mark.parametrize("seed", [-1, 2**40, 2**63])
def test_any_whole_number_is_a_seed(seed):
    assert run(new(epochs=1, seed=seed))[0].history


@pytest.fixture(scope="module")
def undisturbed():
    torch.set_num_threads(1)
    return run(new(epochs=4, patience=4))


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_resumed_after_any_epoch_it_ends_as_if_undisturbed(undisturbed, after):
    expected, checkpoints = undisturbed
    fit = new(CnnModel(), epochs=4, patience=4)
    torch.manual_seed(after)  # earlier draws do not matter
    fit.resume(checkpoints[after])
    assert equal(run(fit)[0], expected)


def test_a_checkpoint_can_be_resumed_from_twice(undisturbed):
    expected, checkpoints = undisturbed
    for _ in range(2):
        fit = new(epochs=4, patience=4)
        fit.resume(checkpoints[1])
        assert equal(run(fit)[0], expected)


def test_a_checkpoint_goes_through_a_file_that_executes_nothing(undisturbed):
    expected, checkpoints = undisturbed
    file = io.BytesIO()
    torch.save(checkpoints[2], file)
    file.seek(0)
    fit = new(epochs=4, patience=4)
    fit.resume(torch.load(file, weights_only=True))
    assert equal(run(fit)[0], expected)


def test_a_finished_run_resumes_to_its_result_without_an_epoch():
    expected, checkpoints = run(new(epochs=9, patience=1, min_delta=99.0))
    fit = new(epochs=9, patience=1, min_delta=99.0)
    fit.resume(checkpoints[-1])
    fitted, more = run(fit)
    assert more == []
    assert equal(fitted, expected)


# ------------------------------------------------------------------------------ phases


def test_while_frozen_the_head_alone_learns():
    network = CnnModel()
    before = state(network)
    run(new(network, epochs=1))
    parameters = {name for name, _ in network.named_parameters()}
    assert changed(before, network) & parameters == {"head.1.weight", "head.1.bias"}


def test_class_maps_learn_at_the_rate_of_the_head():
    network = CnnModel(CnnOptions((4, 4, 4, 4, 4), maps=True))
    before = state(network)
    run(new(network, Recipe(4e-3, feature_rate=0.0, batch_size=8), epochs=1))
    learned = changed(before, network) & {name for name, _ in network.named_parameters()}
    assert {name.partition(".")[0] for name in learned} == {"maps", "head"}


def test_while_frozen_the_layers_below_run_once_for_all_epochs():
    network, passes = CnnModel(), []
    network.features[0].register_forward_hook(lambda *_: passes.append(1))
    run(new(network, Recipe(4e-3, frozen_epochs=3, batch_size=8), epochs=3, patience=3))
    assert len(passes) == 2  # the training frames and the validation frames


def test_frozen_epochs_learn_too():
    fitted, _ = run(new(recipe=Recipe(1e-2, frozen_epochs=6, batch_size=4), epochs=6, patience=6))
    losses = [entry["train"]["loss"] for entry in fitted.history]
    assert losses[-1] < losses[0]


def test_afterwards_all_layers_learn():
    network = CnnModel()
    before = state(network)
    run(new(network, epochs=2))
    assert changed(before, network) >= {name for name, _ in network.named_parameters()}


def test_from_scratch_statistics_follow_the_frames():
    network = CnnModel()
    before = state(network)
    run(new(network, Recipe(4e-3, batch_size=8), epochs=1))
    assert {"features.0.1.running_mean", "features.3.1.running_var"} <= changed(before, network)


def test_pretrained_features_wait_then_learn_with_their_statistics_frozen():
    network = MobileNetV2()
    network.load_features(MobileNetV2().state_dict())
    snapshots = [state(network)]
    new(network, epochs=2).run(lambda *_: snapshots.append(state(network)))
    assert changed(snapshots[0], network) > changed(snapshots[0], loaded(snapshots[1]))
    assert changed(snapshots[0], loaded(snapshots[1])) == {"head.1.weight", "head.1.bias"}
    assert not {name for name in changed(snapshots[0], network) if "running" in name}


def test_the_head_of_a_network_with_maps_learns_its_statistics_while_it_waits():
    network = CnnModel(CnnOptions(maps=True))
    before = state(network)
    run(new(network, Recipe(4e-3, frozen_epochs=1, batch_size=8), epochs=1))
    assert {"head.0.running_mean", "head.0.running_var", "head.2.weight"} <= changed(before, network)
    assert all(name.startswith("head.") for name in changed(before, network))


def loaded(weights):
    network = MobileNetV2()
    network.load_state_dict(weights)
    return network


def test_features_learn_at_their_share_of_the_rate():
    recipe = Recipe(1e-3, feature_rate=0.25, batch_size=8)
    _, checkpoints = run(new(recipe=recipe, epochs=1))
    features, head = (group["lr"] for group in checkpoints[0]["optimizer"]["param_groups"])
    assert features == pytest.approx(head * 0.25)


# ------------------------------------------------------------------------------ low_res epochs

LOW_RES = Recipe(4e-3, batch_size=8, low_res_share=0.5)


def test_low_res_epochs_are_the_first_ones_and_never_the_best():
    fitted, _ = run(new(recipe=LOW_RES, epochs=4, patience=1, min_delta=99.0))
    assert [entry["low_res"] for entry in fitted.history] == [True, True, False, False]
    assert [entry["improved"] for entry in fitted.history] == [False, False, True, False]
    assert fitted.best_epoch == 2


def test_low_res_epochs_see_frames_of_half_the_size():
    network, sizes = CnnModel(), []
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    run(new(network, LOW_RES, epochs=2))
    half = len(sizes) // 2
    assert set(sizes[:half]) == {(32, 24)}
    assert set(sizes[half:]) == {(64, 48)}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_run_with_low_res_epochs_resumes_as_if_undisturbed(after):
    expected, checkpoints = run(new(recipe=LOW_RES, epochs=4))
    fit = new(recipe=LOW_RES, epochs=4)
    fit.resume(checkpoints[after])
    assert equal(run(fit)[0], expected)


# ------------------------------------------------------------------------------ settings


def test_a_run_describes_itself_in_plain_values():
    described = describe(RECIPE, Settings(epochs=5, seed=2))
    assert described["learning_rate"] == 4e-3
    assert (described["epochs"], described["seed"], described["batch_size"]) == (5, 2, 8)


def test_patience_must_allow_an_epoch():
    with pytest.raises(ValueError, match="patience is 0"):
        new(patience=0)
