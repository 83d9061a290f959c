"""One pass over a cache: loss, batches, sums."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from flipbatch.evaluation.counts import Counts
from flipbatch.training.epoch import (
    EVALUATION_BATCH,
    LABEL_SMOOTHING,
    Loss,
    PassMetrics,
    evaluate,
    shuffled_batches,
    steps_per_epoch,
    train_epoch,
)
from tests.training.small_frames import cache_of

CPU = torch.device("cpu")


class Brightness(nn.Module):
    """A network whose logit is the brightness of a frame; keeps its inputs."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 1)
        self.seen = []

    def forward(self, pixels):
        self.seen.append(pixels)
        return self.head(pixels.float().mean(dim=(1, 2, 3)).sub(125).div(20)[:, None]).squeeze(1)


def network():
    torch.manual_seed(0)
    return Brightness()


def generator():
    return torch.Generator().manual_seed(0)


# ------------------------------------------------------------------------------ loss


@given(st.integers(1, 50), st.integers(1, 50))
def test_both_classes_have_the_same_weight(positives, negatives):
    truth = torch.tensor([True] * positives + [False] * negatives)
    each = Loss(positives, negatives).of_each(torch.zeros(len(truth)), truth)
    torch.testing.assert_close(each[truth].sum(), each[~truth].sum())
    torch.testing.assert_close(each.mean(), torch.tensor(2.0).log())


def test_with_equal_classes_it_is_plain_cross_entropy():
    logits, truth = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([True, True, False])
    expected = binary_cross_entropy_with_logits(logits, truth.float(), reduction="none")
    torch.testing.assert_close(Loss(7, 7).of_each(logits, truth), expected)


def test_smoothing_asks_for_less_than_certainty():
    loss, truth = Loss(1, 1), torch.tensor([True, False])
    wanted = torch.tensor([0.975, 0.025]).logit()
    at_best = loss.of_each(wanted, truth, smoothing=0.05)
    assert (at_best < loss.of_each(wanted * 1.1, truth, smoothing=0.05)).all()
    assert (at_best < loss.of_each(wanted * 0.9, truth, smoothing=0.05)).all()


# ------------------------------------------------------------------------------ batches


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_full_batches_cover_every_row_about_equally_often(count, size, more):
    steps = -(-count // size) + more
    batches = list(shuffled_batches(count, size, steps, generator()))
    assert [len(batch) for batch in batches] == [size] * steps
    times = torch.cat(batches).bincount(minlength=count)
    assert times.min() >= 1
    assert times.max() - times.min() <= 1


def test_the_generator_decides_their_order():
    first, second = (torch.cat(list(shuffled_batches(20, 5, 4, generator()))) for _ in range(2))
    assert torch.equal(first, second)
    assert first.tolist() != list(range(20))


@pytest.mark.parametrize(("frames", "size", "steps"), [(1, 8, 1), (8, 8, 1), (9, 8, 2), (0, 8, 0)])
def test_an_epoch_has_a_step_for_each_batch_and_part_of_one(frames, size, steps):
    assert steps_per_epoch(cache_of(frames), size, CPU) == steps


# ------------------------------------------------------------------------------ evaluate


def test_sums_are_those_of_a_plain_computation():
    net, cache, loss = network(), cache_of(EVALUATION_BATCH + 7), Loss(3, 5)
    metrics, logits = evaluate(net, cache, loss, CPU)
    with torch.no_grad():
        expected = net(cache.pixels.permute(0, 3, 1, 2))
    torch.testing.assert_close(logits, expected)
    assert metrics.loss == pytest.approx(loss.of_each(expected, cache.positive).mean().item(), rel=1e-6)
    assert metrics.counts == Counts.of(cache.positive.numpy(), expected.numpy() > 0)


def test_evaluation_changes_nothing_and_repeats_itself():
    net, cache = network().train(), cache_of(5)
    (first, one), (second, other) = (evaluate(net, cache, Loss(1, 1), CPU) for _ in range(2))
    assert first == second
    assert torch.equal(one, other)
    assert not net.training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_an_empty_cache_gives_no_logits():
    metrics, logits = evaluate(network(), cache_of(0), Loss(1, 1), CPU)
    assert logits.shape == (0,)
    assert metrics == PassMetrics(0.0, Counts())


def test_the_network_sees_bytes_with_channels_first():
    net = network()
    evaluate(net, cache_of(2), Loss(1, 1), CPU)
    assert (net.seen[0].shape, net.seen[0].dtype) == ((2, 3, 64, 48), torch.uint8)


def test_metrics_as_json_leave_undefined_ones_null():
    json = PassMetrics(0.5, Counts(tn=3)).to_json()
    assert json == {
        "loss": 0.5,
        "accuracy": 1.0,
        "balanced_accuracy": None,
        "precision": None,
        "recall": None,
        "f1": None,
    }


# ------------------------------------------------------------------------------ train


def trained(net, batches, after_step=lambda: None, rate=0.1):
    cache, optimizer = cache_of(12), torch.optim.SGD(net.parameters(), rate)
    return cache, train_epoch(net, cache, optimizer, Loss(6, 6), iter(batches), generator(), after_step)


def test_each_batch_is_one_step():
    net, steps, before = network(), [], network().head.weight.item()
    rows = [torch.tensor([0, 5]), torch.tensor([7, 2]), torch.tensor([1, 9])]
    trained(net, rows, lambda: steps.append(net.head.weight.item()))
    assert len({before, *steps}) == 4


def test_a_training_pass_counts_the_frames_it_saw():
    rows = [torch.tensor([0, 1, 4]), torch.tensor([2, 5, 6])]
    cache, metrics = trained(network(), rows)
    positive = cache.positive[torch.cat(rows)]
    assert metrics.counts.tp + metrics.counts.fn == positive.sum()
    assert metrics.counts.fp + metrics.counts.tn == (~positive).sum()


def test_its_loss_is_the_smoothed_one_of_the_augmented_frames():
    net = network()
    cache, metrics = trained(net, [torch.arange(12)], rate=0.0)
    with torch.no_grad():
        each = Loss(6, 6).of_each(net(net.seen[0]), cache.positive, LABEL_SMOOTHING)
    assert metrics.loss == pytest.approx(each.mean().item(), rel=1e-6)
    assert not torch.equal(net.seen[0], cache.pixels.permute(0, 3, 1, 2).float())


def test_a_step_goes_down_the_mean_of_its_batch():
    net, reference = network(), network()
    cache, _ = trained(net, [torch.arange(12)])
    optimizer = torch.optim.SGD(reference.parameters(), 0.1)
    Loss(6, 6).of_each(reference(net.seen[0]), cache.positive, LABEL_SMOOTHING).mean().backward()
    optimizer.step()
    torch.testing.assert_close(net.head.weight, reference.head.weight)
