"""One pass over a cache, to train or to evaluate. Its sums are over all ranks.

Knows networks, caches and losses. Does not know early stopping, checkpoints or Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from flipbatch.evaluation.counts import Counts
from flipbatch.training.augment import color_jitter, random_affine
from flipbatch.training.distributed import largest_over_ranks, sum_over_ranks
from flipbatch.training.frame_cache import FrameCache

LABEL_SMOOTHING = 0.05
"""Labels are given per clip: the first and last frames of a flip may show none."""

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Loss:
    """Binary cross-entropy in which both classes have the same total weight.

    Parameters
    ----------
    positives, negatives : int
        Training frames of each class over all ranks, at least 1.
    """

    positives: int
    negatives: int

    def of_each(self, logits: Tensor, positive: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the weighted loss of each frame, (N,); `smoothing` moves targets towards one half."""
        half = (self.positives + self.negatives) / 2
        weight = torch.where(positive, half / self.positives, half / self.negatives)
        target = positive.float() * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")


@dataclass(frozen=True)
class PassMetrics:
    """The metrics of one pass over the frames of all ranks.

    Attributes
    ----------
    loss : float
        Mean weighted loss per frame.
    counts : Counts
        At a probability of one half, uncalibrated.
    """

    loss: float
    counts: Counts

    def to_json(self) -> dict[str, float | int | None]:
        """Return the loss and the metrics that follow from the counts."""
        names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
        return {"loss": self.loss, **{name: getattr(self.counts, name) for name in names}}


class _Sums:
    """Loss and counts of the batches so far. They stay on the device until the end of the pass."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(5, dtype=torch.float64, device=device)

    def add(self, losses: Tensor, logits: Tensor, positive: Tensor) -> None:
        flip = logits > 0
        outcomes = [flip & positive, flip & ~positive, ~flip & positive, ~flip & ~positive]
        parts = [losses.detach().double().sum(), *(outcome.double().sum() for outcome in outcomes)]
        self._sums += torch.stack(parts)

    def metrics(self) -> PassMetrics:
        loss, *outcomes = sum_over_ranks(self._sums).tolist()
        counts = Counts(*(int(outcome) for outcome in outcomes))
        return PassMetrics(loss / max(1, counts.total), counts)


def steps_per_epoch(cache: FrameCache, batch_size: int, device: torch.device) -> int:
    """Return how many steps every rank takes: the steps that the rank with the most frames needs."""
    return largest_over_ranks(-(-len(cache) // batch_size), device)


def train_epoch(
    forward: Callable[[Tensor], Tensor],
    cache: FrameCache,
    optimizer: Optimizer,
    loss: Loss,
    batches: Iterator[Tensor],
    generator: torch.Generator,
    after_step: Callable[[], None],
) -> PassMetrics:
    """Train on each batch once.

    Parameters
    ----------
    forward : callable
        The network in training mode, or its wrapper that averages gradients over ranks.
    cache : FrameCache
    optimizer : Optimizer
    loss : Loss
    batches : iterator of Tensor
        Row numbers in the cache, (N,), int64; the same number of batches on every rank.
    generator : torch.Generator
        Draws the augmentation.
    after_step : callable
        Called after each step, to set the next learning rate.

    Returns
    -------
    PassMetrics
        Over all ranks, of the frames as the network saw them: augmented unless the cache is embedded.
    """
    device = optimizer.param_groups[0]["params"][0].device
    sums = _Sums(device)
    for rows in batches:
        positive = cache.positive[rows].to(device)
        # `pixels[rows]` copies byte by byte and takes 20 times as long.
        logits = forward(_augmented(cache.pixels.index_select(0, rows), generator, device))
        losses = loss.of_each(logits, positive, LABEL_SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()
        optimizer.step()
        after_step()
        sums.add(losses, logits, positive)
    return sums.metrics()


@torch.inference_mode()
def evaluate(
    network: nn.Module, cache: FrameCache, loss: Loss, device: torch.device
) -> tuple[PassMetrics, Tensor]:
    """Evaluate without augmentation.

    Returns
    -------
    tuple of (PassMetrics, Tensor)
        Metrics over all ranks, and this rank's logits, (N,), float32, on the CPU.
    """
    network.eval()
    sums, parts = _Sums(device), [torch.empty(0)]
    for start in range(0, len(cache), EVALUATION_BATCH):
        rows = slice(start, start + EVALUATION_BATCH)
        logits = network(_inputs(cache.pixels[rows].to(device)))
        positive = cache.positive[rows].to(device)
        sums.add(loss.of_each(logits, positive), logits, positive)
        parts.append(logits.float().cpu())
    return sums.metrics(), torch.cat(parts)


def shuffled_batches(count: int, batch_size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield `steps` full batches, cut from as many permutations of `count` rows as are needed."""
    permutations = -(-steps * batch_size // count)
    order = torch.cat([torch.randperm(count, generator=generator) for _ in range(permutations)])
    yield from order[: steps * batch_size].split(batch_size)


def _augmented(pixels: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return a batch of a cache as a network takes it, augmented unless it is embedded."""
    if pixels.ndim != 4:
        return pixels.to(device)
    return color_jitter(_inputs(random_affine(pixels, generator).to(device)), generator)


def _inputs(pixels: Tensor) -> Tensor:
    """Return pixels with their channels first, or the features of an embedded cache unchanged."""
    return pixels.permute(0, 3, 1, 2) if pixels.ndim == 4 else pixels
