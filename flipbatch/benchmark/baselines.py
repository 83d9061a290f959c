"""Baselines: the usual code of other software with the same frames, networks and cores.

Measures a steady rate, from the end of the first batch to the end of the last, so that start-up doesn't
count. Knows Ray Data, torch's DataLoader, torchvision's transforms and Daft. Does not know flipbatch's
decoder, engines or commit, only its networks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from flipbatch.models.bundle import Bundle
from flipbatch.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

BATCH = 32


def naive(bundle: Bundle, uris: Sequence[str], out: str, cores: int) -> float:
    """Return the frames/s of Ray Data's usual code: ``read_images``, maps, ``write_parquet``."""
    import pyarrow.parquet as pq
    import ray.data

    frames = ray.data.read_images(list(uris), mode="RGB", include_paths=True)
    frames = frames.map(_transform_row)
    frames = frames.map_batches(
        _Model,
        fn_constructor_args=(bundle,),
        batch_size=BATCH,
        # As many actors as cores leave no core for reading: the job would hang.
        compute=ray.data.ActorPoolStrategy(size=max(1, cores // 2)),
    )
    frames.write_parquet(out)
    return _steady(pq.read_table(out)["done"].to_numpy())


def _transform_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"path": row["path"], "image": _transform(Image.fromarray(row["image"])).numpy()}


class _Model:
    def __init__(self, bundle: Bundle) -> None:
        self._network = usual_network(bundle)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(batch["image"])).numpy()
        return {"path": batch["path"], "logit": logits, "done": np.full(len(logits), time.time())}


def torch_loader(bundle: Bundle, uris: Sequence[str], cores: int) -> float:
    """Return the frames/s of torch's usual code: a DataLoader with a worker per core, an eager network."""
    network, done = usual_network(bundle), []
    torch.set_num_threads(cores)
    with torch.inference_mode():
        for pixels, _ in usual_loader([(uri, 0) for uri in uris], cores):
            done += [len(network(pixels)), time.time()]
    counts, times = np.array(done[::2]), np.array(done[1::2])
    return _steady(np.repeat(times, counts.astype(int)))


def daft(bundle: Bundle, uris: Sequence[str], out: str) -> float:
    """Return the frames/s of Daft's image pipeline: download, decode, resize, predict, write Parquet."""
    import daft  # pyright: ignore[reportMissingImports]  (an optional package)
    import pyarrow.parquet as pq
    from daft import DataType, Series, col  # pyright: ignore[reportMissingImports]

    @daft.cls
    class Model:
        def __init__(self) -> None:
            self._network = usual_network(bundle)

        @daft.method.batch(return_dtype=DataType.float64(), batch_size=BATCH)
        def done(self, images: Series) -> list[float]:
            pixels = torch.from_numpy(np.stack(images.to_pylist())).permute(0, 3, 1, 2).float()
            with torch.inference_mode():
                count = len(self._network(pixels / 255))
            return [time.time()] * count

    frames = daft.from_pydict({"path": list(uris)})
    pixels = col("path").download().decode_image(mode="RGB").resize(224, 224)
    frames = frames.with_column("image", pixels)
    done = cast(Any, Model().done(col("image")))
    frames.select(col("path"), done.alias("done")).write_parquet(out)
    return _steady(pq.read_table(out)["done"].to_numpy())


def usual_network(bundle: Bundle) -> nn.Module:
    """Return a bundle's network without its normalising layer: the baselines' transform normalises."""
    network = bundle.network()
    network.normalise = nn.Identity()
    return network


def usual_loader(samples: Sequence[tuple[str, int]], cores: int, shuffle: bool = False) -> DataLoader[Any]:
    """Return a DataLoader over (path, class) pairs. It decodes each frame at full size, in each epoch."""
    return DataLoader(_Files(samples), BATCH, shuffle=shuffle, num_workers=cores)


class _Files(Dataset[Any]):
    """The same as torchvision's ImageFolder after listing."""

    def __init__(self, samples: Sequence[tuple[str, int]]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, target = self._samples[index]
        return _transform(Image.open(path).convert("RGB")), target


# The transform of most examples: resize to 256, take the middle 224, normalise.
_STEPS = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
)


def _transform(image: Image.Image) -> Tensor:
    return cast(Tensor, _STEPS(image))


def _steady(done: npt.NDArray[np.float64]) -> float:
    """Return frames/s between the ends of the first and the last batch; `done` is each frame's time."""
    first, last = done.min(), done.max()
    return float((done > first).sum() / (last - first))
