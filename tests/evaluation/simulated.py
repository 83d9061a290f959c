"""Simulated decisions and logits with known properties."""

import numpy as np


def some_videos(n, seed=0):
    """N groups, one video each: frames' counts [n, 4], and one decision each [n, 4], some without one."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 9, (n, 4)) * rng.integers(0, 2, (n, 4))
    return [f"flip/{i:04}" for i in range(n)], frames, np.eye(5, 4, dtype=int)[rng.integers(0, 5, n)]


def groups_of_videos(rng, groups, videos_per_class=1, frames=10):
    """Counts of videos flip/X and notflip/X that are hard or easy as their group is.

    Returns
    -------
    int64 [groups * 2 * videos_per_class, 4], columns tp, fp, fn, tn; videos of one group are neighbours.
    """
    error_rate = np.repeat(rng.beta(0.5, 1.5, groups), videos_per_class)
    wrong = rng.binomial(frames, np.stack([error_rate, error_rate], axis=1))
    counts = np.zeros((len(error_rate), 2, 4), dtype=np.int64)
    counts[:, 0, 2], counts[:, 0, 0] = wrong[:, 0], frames - wrong[:, 0]
    counts[:, 1, 1], counts[:, 1, 3] = wrong[:, 1], frames - wrong[:, 1]
    return counts.reshape(-1, 4)


def balanced_logits(rng, share_of_flips, frames, overconfidence=1.0):
    """Logits of a network that was trained with balanced classes: true log-odds + log(n- / n+).

    A feature is normal with unit variance, at -1 for notflip and +1 for flip: the log-odds at equal shares
    are twice the feature.

    Returns
    -------
    float32 [frames], bool [frames]
    """
    truth = np.arange(frames) < round(share_of_flips * frames)
    logits = 2 * (rng.normal(size=frames) + np.where(truth, 1, -1))
    return (overconfidence * logits).astype(np.float32), truth
