"""Intervals are clustered by group, and their sums add."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.evaluation.bootstrap import REPLICATES, BootstrapSums, percentile_interval, poisson_weights
from flipbatch.evaluation.counts import Counts, balanced_accuracy_of_rows, f1_of_rows
from tests.evaluation.simulated import groups_of_videos, some_videos


def test_bootstrap_weights_never_change():
    assert poisson_weights(["flip/0002"])[0, :12].tolist() == [0, 0, 1, 0, 1, 2, 2, 2, 2, 0, 1, 0]


def test_bootstrap_weights_are_poisson_with_mean_one():
    weights = poisson_weights([f"flip/{i}" for i in range(1000)])
    assert weights.shape == (1000, REPLICATES)
    assert weights.mean() == pytest.approx(1, abs=0.005)
    assert weights.var() == pytest.approx(1, abs=0.01)
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.003)


def test_bootstrap_weights_of_two_groups_are_independent():
    weights = poisson_weights([f"flip/{i}" for i in range(50)])
    correlation = np.asarray(np.corrcoef(weights))[np.triu_indices(50, 1)]
    assert abs(correlation).max() < 5 / np.sqrt(REPLICATES)
    assert correlation.std() == pytest.approx(1 / np.sqrt(REPLICATES), rel=0.1)


def test_sums_of_many_chunks_are_the_weighted_sums():
    groups, frames, _ = some_videos(1200)
    expected = poisson_weights(groups).astype(np.int64).T @ frames
    assert np.array_equal(BootstrapSums.from_groups(groups, frames).sums, expected)


def test_videos_of_one_group_are_drawn_together():
    counts = [[1, 0, 0, 0], [0, 1, 0, 0], [2, 0, 5, 0]]
    together = BootstrapSums.from_groups(["book", "other", "book"], counts)
    added_up = BootstrapSums.from_groups(["book", "other"], [[3, 0, 5, 0], [0, 1, 0, 0]])
    assert np.array_equal(together.sums, added_up.sums)


def test_a_group_in_two_parts_gives_the_sums_of_the_whole():
    groups, counts = ["book", "other", "book"], np.array([[1, 0, 0, 2], [0, 1, 0, 0], [2, 0, 5, 0]])
    parts = [BootstrapSums.from_groups(groups[part], counts[part]) for part in (slice(0, 1), slice(1, 3))]
    whole = BootstrapSums.from_groups(groups, counts)
    assert np.array_equal((parts[0] + parts[1]).sums, whole.sums)
    assert (parts[0] + parts[1]).some_groups == whole.some_groups


def resampled(ratio, frames, replicates=2000):
    """The textbook's clustered bootstrap: draw groups with replacement."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(frames), (replicates, len(frames)))
    return np.quantile(ratio(frames[drawn].sum(axis=1)), [0.025, 0.975])


@pytest.mark.parametrize("n", [30, 120, 400])
def test_intervals_are_near_those_of_resampling_groups(n):
    groups, frames, _ = some_videos(n)
    sums = BootstrapSums.from_groups(groups, frames)
    for ratio, interval in (
        (f1_of_rows, sums.f1_interval()),
        (balanced_accuracy_of_rows, sums.balanced_accuracy_interval()),
    ):
        low, high = resampled(ratio, frames)
        assert interval == pytest.approx((low, high), abs=0.15 * (high - low))


def test_an_interval_is_wider_where_frames_of_a_group_fail_together():
    groups = [str(i) for i in range(100)]
    alike = np.array([[10, 0, 0, 0], [0, 0, 10, 0]] * 50)
    mixed = np.full((100, 4), [5, 0, 5, 0])
    low, high = BootstrapSums.from_groups(groups, alike).f1_interval() or (0, 0)
    assert high - low > 0.1
    assert BootstrapSums.from_groups(groups, mixed).f1_interval() == pytest.approx((2 / 3, 2 / 3))


def coverage(groups, ratio, videos_per_class, cluster_by_group, simulations=400):
    """Return the share of simulated data sets whose 95 % interval contains the true value."""
    rng = np.random.default_rng(0)
    truth = getattr(Counts.of_rows(groups_of_videos(rng, 100_000, videos_per_class)), ratio)
    videos = np.arange(groups * 2 * videos_per_class)
    clusters = [str(v) for v in (videos // (2 * videos_per_class) if cluster_by_group else videos)]
    covered = 0
    for _ in range(simulations):
        sums = BootstrapSums.from_groups(clusters, groups_of_videos(rng, groups, videos_per_class))
        low, high = getattr(sums, f"{ratio}_interval")()
        covered += low <= truth <= high
    return covered / simulations


# F1 of two videos a group is no example: drawing videos varies the share of flips, which widens its interval.
@pytest.mark.parametrize(("ratio", "videos_per_class"), [("balanced_accuracy", 1), ("f1", 3)])
def test_intervals_cover_the_truth_where_the_videos_of_a_group_are_alike(ratio, videos_per_class):
    by_group, by_video = (coverage(80, ratio, videos_per_class, by_group) for by_group in (True, False))
    print(f"coverage of the 95 % interval of {ratio}: {by_group:.3f} by group, {by_video:.3f} by video")
    assert 0.91 <= by_group <= 0.98
    assert by_video < 0.88


def test_one_group_has_no_interval():
    one = BootstrapSums.from_groups(["book", "book"], [[5, 1, 1, 5], [3, 1, 1, 5]])
    assert one.f1_interval() is one.balanced_accuracy_interval() is None
    assert (one + one).f1_interval() is None


def test_a_group_without_counts_is_none_of_two():
    counts = [[5, 1, 1, 5], [0, 0, 0, 0]]
    assert BootstrapSums.from_groups(["a", "unlabelled"], counts).f1_interval() is None
    assert BootstrapSums.from_groups(["a", "b"], [[5, 1, 1, 5], [0, 0, 0, 1]]).f1_interval() is not None


def test_two_groups_in_two_parts_have_an_interval():
    a, b = (BootstrapSums.from_groups([group], [[5, 1, 1, 5]]) for group in "ab")
    assert (a + b).f1_interval() is not None


@given(st.lists(st.sampled_from("abcd"), max_size=9), st.integers(0, 9))
def test_at_most_six_groups_are_kept_whatever_the_partition(groups, cut):
    parts = [
        BootstrapSums.from_groups(part, np.ones((len(part), 4))) for part in (groups[:cut], groups[cut:])
    ]
    kept = (parts[0] + parts[1]).some_groups
    assert kept == (parts[1] + parts[0]).some_groups
    assert len(kept) == min(6, len(set(groups)))


def test_no_interval_where_no_replicate_has_an_f1():
    sums = BootstrapSums.from_groups(["a", "b", "c"], [[0, 0, 0, 4]] * 3)
    assert sums.f1_interval() is sums.balanced_accuracy_interval() is None
    assert percentile_interval(np.full(3, np.nan)) is None


def test_counts_of_another_shape_than_the_groups_are_refused():
    with pytest.raises(ValueError, match=r"counts of 2 rows must have shape \(2, 4\), not \(1, 4\)"):
        BootstrapSums.from_groups(["a", "b"], [[1, 2, 3, 4]])
