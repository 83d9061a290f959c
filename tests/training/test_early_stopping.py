"""When training stops, and what it keeps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.training.early_stopping import EarlyStopping

# Eighths add and subtract exactly: the reference may compare in another order.
values = st.lists(st.one_of(st.integers(-40, 40).map(lambda n: n / 8), st.just(math.nan)), max_size=30)
settings = {
    "patience": st.integers(1, 5),
    "min_delta": st.sampled_from([0.0, 0.125, 0.5, 2.0]),
    "mode": st.sampled_from(["min", "max"]),
}


def fed(stopping, *losses):
    """Return which epochs improved, up to where it stops."""
    improved = []
    for epoch, loss in enumerate(losses):
        if stopping.should_stop:
            break
        if stopping.update(epoch, loss, lambda epoch=epoch: f"state {epoch}"):
            improved.append(epoch)
    return improved


def reference(losses, patience, min_delta, mode):
    """The epochs that improved and the number of epochs run, by looking back from each epoch."""
    sign, improved = 1 if mode == "max" else -1, []
    for epoch, loss in enumerate(losses):
        if epoch - (improved[-1] if improved else -1) > patience:
            return improved, epoch
        best = sign * losses[improved[-1]] + min_delta if improved else -math.inf
        if not math.isnan(loss) and sign * loss > best:
            improved.append(epoch)
    return improved, len(losses)


@given(losses=values, **settings)
def test_it_does_what_a_plain_look_back_does(losses, patience, min_delta, mode):
    stopping = EarlyStopping(patience, min_delta, mode)
    improved, run = reference(losses, patience, min_delta, mode)
    assert fed(stopping, *losses) == improved
    assert stopping.epochs_without_improvement == run - 1 - (improved[-1] if improved else -1)
    assert stopping.best_epoch == (improved[-1] if improved else None)
    assert stopping.best_state == (f"state {improved[-1]}" if improved else None)


@given(losses=values, cut=st.integers(0, 30), **settings)
def test_resuming_from_its_state_changes_nothing(losses, cut, patience, min_delta, mode):
    undisturbed, before, after = (EarlyStopping(patience, min_delta, mode) for _ in range(3))
    fed(undisturbed, *losses)
    fed(before, *losses[:cut])
    after.load_state_dict(before.state_dict())
    for epoch, loss in enumerate(losses[cut:], start=cut):
        if after.should_stop:
            break
        after.update(epoch, loss, lambda epoch=epoch: f"state {epoch}")
    assert after == undisturbed


@given(losses=values, **settings)
def test_equal_values_stop_every_rank_at_one_epoch(losses, patience, min_delta, mode):
    ranks = [EarlyStopping(patience, min_delta, mode) for _ in range(3)]
    for rank in ranks:
        fed(rank, *losses)
    assert ranks[0] == ranks[1] == ranks[2]


def test_it_stops_after_so_many_epochs_without_improvement():
    stopping = EarlyStopping(patience=2)
    fed(stopping, 1.0, 2.0)
    assert not stopping.should_stop
    fed(stopping, 2.0)
    assert stopping.should_stop


def test_an_improvement_starts_the_count_anew():
    stopping = EarlyStopping(patience=2)
    assert fed(stopping, 1.0, 2.0, 0.5, 2.0, 2.0, 0.1) == [0, 2]
    assert (stopping.best_value, stopping.best_epoch, stopping.best_state) == (0.5, 2, "state 2")


@pytest.mark.parametrize(("mode", "best"), [("min", [0, 2]), ("max", [0, 1])])
def test_smaller_or_larger_is_better(mode, best):
    assert fed(EarlyStopping(5, mode=mode), 2.0, 3.0, 1.0) == best


def test_a_gain_of_exactly_min_delta_is_none():
    assert fed(EarlyStopping(5, min_delta=0.5), 2.0, 1.5, 1.25) == [0, 2]


def test_improvements_below_min_delta_exhaust_patience():
    assert fed(EarlyStopping(3, min_delta=0.5), 2.0, 1.75, 1.625, 1.5, 0.0) == [0]


def test_an_equal_value_is_no_improvement():
    assert fed(EarlyStopping(5), 1.0, 1.0) == [0]


def test_nan_never_improves_and_uses_up_patience():
    stopping = EarlyStopping(2)
    assert fed(stopping, math.nan, math.nan) == []
    assert (stopping.best_value, stopping.best_state, stopping.should_stop) == (None, None, True)


def test_a_number_beats_nan_and_infinity():
    assert fed(EarlyStopping(5), math.nan, math.inf, 3.0, math.nan) == [1, 2]


def test_a_state_is_taken_only_where_it_is_kept():
    taken = []
    stopping = EarlyStopping(5)
    for epoch, loss in enumerate([2.0, 3.0, 1.0]):
        stopping.update(epoch, loss, lambda epoch=epoch: taken.append(epoch))
    assert taken == [0, 2]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"patience": 0}, "patience is 0: at least 1"),
        ({"patience": 1, "min_delta": -0.1}, "min_delta is -0.1: it must be 0 or more"),
        ({"patience": 1, "min_delta": math.nan}, "min_delta is nan"),
        ({"patience": 1, "mode": "best"}, "mode is 'best': it is min or max"),
    ],
)
def test_invalid_arguments_are_refused(arguments, why):
    with pytest.raises(ValueError, match=why):
        EarlyStopping(**arguments)
