"""A bundle's weights become the graph that CPUs run, without torch.

The layers are those of `cnn_model.py` and `mobilenet_v2.py` in evaluation mode, implemented a second time:
tracing the modules would cost each start of a job 5 s and 900 MB (docs/performance.md). BatchNorm is folded
into the convolution before it, that of a head into the linear layer behind it. The normalisation of pixels is
folded into a first layer that does not pad.

Knows layers and names of weights. Does not know how and where a graph runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Model, Node
from openvino import opset13 as ops

from flipbatch.errors import BundleError
from flipbatch.frames.decode import InputSize
from flipbatch.models.bundle import Bundle
from flipbatch.models.network_options import (
    HALVING_BLOCKS,
    LARGEST_CELLS,
    LAST_BLOCK,
    CnnOptions,
    MobileNetOptions,
)
from flipbatch.models.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    SMALLEST_DEVIATION,
    mobilenet_window,
)

Array = npt.NDArray[np.floating[Any]]

_EPSILON = 1e-5
"""The number that torch's BatchNorm adds to a variance."""

_MEAN = np.array(IMAGENET_MEAN, np.float32) * 255
_STD = np.array(IMAGENET_STD, np.float32) * 255


def inference_graph(bundle: Bundle, frames: int) -> Model:
    """Build the graph of a bundle.

    Parameters
    ----------
    bundle : Bundle
    frames : int
        The number of frames of one inference, at least 1.

    Returns
    -------
    openvino.Model
        From pixels (frames, height, width, 3), uint8, RGB, to logits (frames,), float32.

    Raises
    ------
    BundleError
        If the weights do not fit the architecture.
    """
    weights = _Weights(bundle.weights)
    size = bundle.input_size
    pixels = ops.parameter([frames, size.height, size.width, 3], np.uint8, name="pixels")
    try:
        logits = _GRAPHS[bundle.architecture](pixels, weights, bundle)
    except (KeyError, RuntimeError, ValueError) as error:
        raise _do_not_fit(bundle, str(error)) from error
    if unknown := weights.unused():
        raise _do_not_fit(bundle, f"it has no {unknown}")
    return Model([logits], [pixels], bundle.name)  # pyright: ignore[reportGeneralTypeIssues]  (its stubs)


def _do_not_fit(bundle: Bundle, why: str) -> BundleError:
    short = " ".join(why.split())[:200]
    return BundleError(f"The weights of {bundle.name} do not fit {bundle.architecture}: {short}.")


class _Weights:
    """A state dict that records which of its weights were used."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        self._weights = weights
        self._unused = {name for name in weights if not name.endswith("num_batches_tracked")}

    def __contains__(self, name: str) -> bool:
        return name in self._weights

    def take(self, name: str) -> Array:
        self._unused.discard(name)
        return self._weights[name].astype(np.float32)

    def convolution(self, layer: str, norm: str) -> tuple[Array, Array]:
        """Return kernel and bias of a convolution, with the BatchNorm after it folded in."""
        scale, shift = self._normalisation(norm)
        return self.take(f"{layer}.weight") * scale[:, None, None, None], shift

    def linear(self, layer: str, norm: str | None = None) -> tuple[Array, Array]:
        """Return kernel and bias of a linear layer, with the BatchNorm before it folded in."""
        kernel, bias = self.take(f"{layer}.weight"), self.take(f"{layer}.bias")
        if norm is None:
            return kernel, bias
        scale, shift = self._normalisation(norm)
        return kernel * scale, bias + kernel @ shift

    def _normalisation(self, norm: str) -> tuple[Array, Array]:
        """Return by what a BatchNorm multiplies each channel, and what it adds then."""
        variance = self.take(f"{norm}.running_var") + np.float32(_EPSILON)
        scale = self.take(f"{norm}.weight") / np.sqrt(variance)
        return scale, self.take(f"{norm}.bias") - self.take(f"{norm}.running_mean") * scale

    def unused(self) -> str:
        return ", ".join(sorted(self._unused))


# ---------------------------------------------------------------------------------------- networks


def _cnn_model(pixels: Node, weights: _Weights, bundle: Bundle) -> Node:
    options = bundle.options
    assert isinstance(options, CnnOptions)
    x = ops.relu(_patches(pixels, *weights.convolution("features.0.0", "features.0.1"), bundle.input_size))
    maps: list[Node] = []
    for block in range(1, len(options.channels)):
        kernel, bias = weights.convolution(f"features.{block}.0", f"features.{block}.1")
        x = ops.relu(_convolve(x, kernel, bias, stride=options.stride(block)))
        if options.maps and block == options.map_block:
            maps = _pooled_maps(_cells(x, weights))
    return _head([_pool(ops.reduce_mean, x), _pool(ops.reduce_max, x)], maps, weights)


def _patches(pixels: Node, kernel: Array, bias: Array, size: InputSize) -> Node:
    """Convolve adjacent patches, on bytes in their order in memory.

    The pixels of one row of a patch are neighbours in memory. Viewed as channels, there are 3 times the
    patch's width of them. This halves the cost of the whole `cnn_model`: 3 channels do not fill vector
    registers.
    """
    outputs, _, patch, _ = kernel.shape
    kernel, bias = _take_pixels(kernel, bias)
    if size.width % patch:
        return _convolve(_channels_first(pixels), kernel, bias, stride=patch, padding=0)
    rows = ops.reshape(pixels, _shape(-1, size.height, size.width // patch, patch * 3), special_zero=False)
    by_row = kernel.transpose(0, 3, 1, 2).reshape(outputs, patch * 3, patch, 1)
    return _convolve(_channels_first(rows), by_row, bias, stride=(patch, 1), padding=0)


def _take_pixels(kernel: Array, bias: Array) -> tuple[Array, Array]:
    """Fold the normalisation of pixels into the first layer."""
    scaled = kernel / _STD[:, None, None]
    return scaled, bias - (scaled * _MEAN[:, None, None]).sum(axis=(1, 2, 3))


def _mobilenet_v2(pixels: Node, weights: _Weights, bundle: Bundle) -> Node:
    options = bundle.options
    assert isinstance(options, MobileNetOptions)
    top, left, bottom, right = mobilenet_window(bundle.input_size.height, bundle.input_size.width)
    rows_and_columns = _shape(1, 2)
    pixels = ops.slice(pixels, _shape(top, left), _shape(bottom, right), _shape(1, 1), rows_and_columns)
    x, taps = _normalised(_channels_first(pixels), options.standardise_pixels), []
    for block in range(options.taps[-1] + 1):
        x = _mobilenet_block(x, weights, block)
        if block in options.taps:
            taps.append(x)
    maps = _pooled_maps(_cells(_same_size(taps, options), weights)) if options.maps else []
    pooled = [_pool(_POOLINGS[pooling], tap) for tap in taps for pooling in options.poolings]
    return _head(pooled, maps, weights)


def _same_size(taps: list[Node], options: MobileNetOptions) -> Node:
    """Return all taps' channels at the size of the last tap."""
    sides = map(options.shrinkage, options.taps)
    return ops.concat([_averaged(tap, side) for tap, side in zip(taps, sides, strict=True)], axis=1)


def _normalised(x: Node, standardise: bool) -> Node:
    """Normalise pixels; not folded, because the layer after it pads with zeros, which are the mean."""
    if standardise:
        return ops.mvn(x, _shape(2, 3), True, SMALLEST_DEVIATION**2, "inside_sqrt")
    shift, scale = (ops.constant(one[:, None, None]) for one in (_MEAN, _STD))
    return ops.divide(ops.subtract(x, shift), scale)


def _mobilenet_block(x: Node, weights: _Weights, block: int) -> Node:
    if 0 < block < LAST_BLOCK:
        return _inverted_residual(x, weights, block)
    kernel, bias = weights.convolution(f"features.{block}.0", f"features.{block}.1")
    return _relu6(_convolve(x, kernel, bias, stride=1 if block else 2))


def _inverted_residual(x: Node, weights: _Weights, block: int) -> Node:
    layer, inner, expanded = f"features.{block}.conv", x, 0
    if f"{layer}.3.weight" in weights:
        inner, expanded = _relu6(_convolve(x, *weights.convolution(f"{layer}.0.0", f"{layer}.0.1"))), 1
    depthwise = weights.convolution(f"{layer}.{expanded}.0", f"{layer}.{expanded}.1")
    inner = _relu6(_convolve(inner, *depthwise, stride=2 if block in HALVING_BLOCKS else 1))
    inner = _convolve(inner, *weights.convolution(f"{layer}.{expanded + 1}", f"{layer}.{expanded + 2}"))
    return ops.add(x, inner) if inner.get_output_shape(0) == x.get_output_shape(0) else inner


def _cells(x: Node, weights: _Weights) -> Node:
    """Return class maps."""
    for layer in (0, 3):
        x = ops.relu(_convolve(x, *weights.convolution(f"maps.{layer}", f"maps.{layer + 1}")))
    return _convolve(x, *weights.linear("maps.6"))


_POOLINGS: dict[str, Callable[..., Node]] = {"mean": ops.reduce_mean, "max": ops.reduce_max}

_GRAPHS: dict[str, Callable[[Node, _Weights, Bundle], Node]] = {
    "cnn_model": _cnn_model,
    "mobilenet_v2": _mobilenet_v2,
}


# ---------------------------------------------------------------------------------------- layers


def _channels_first(pixels: Node) -> Node:
    return ops.convert(ops.transpose(pixels, _shape(0, 3, 1, 2)), np.float32)


def _convolve(
    x: Node, kernel: Array, bias: Array, stride: int | tuple[int, int] = 1, padding: int | None = None
) -> Node:
    """Convolve and add the bias, depthwise where a kernel has one channel; padding is "same" by default."""
    strides = [stride, stride] if isinstance(stride, int) else list(stride)
    pads = [kernel.shape[2] // 2 if padding is None else padding] * 2
    if kernel.shape[1] == 1 and x.get_output_shape(0)[1] == len(kernel):
        y = ops.group_convolution(x, ops.constant(kernel[:, None]), strides, pads, pads, [1, 1])
    else:
        y = ops.convolution(x, ops.constant(kernel), strides, pads, pads, [1, 1])
    return ops.add(y, ops.constant(bias[None, :, None, None]))


def _relu6(x: Node) -> Node:
    return ops.clamp(x, 0.0, 6.0)


def _pool(reduce: Callable[..., Node], x: Node) -> Node:
    return reduce(x, _shape(2, 3), keep_dims=False)


def _averaged(x: Node, side: int) -> Node:
    """Average squares of cells; a last one that is cut off has fewer."""
    if side == 1:
        return x
    sides, none = [min(side, length) for length in x.get_output_shape(0)[2:]], [0, 0]
    return ops.avg_pool(x, sides, none, none, sides, exclude_pad=True, rounding_type="ceil")


def _pooled_maps(maps: Node) -> list[Node]:
    """Return each class's mean, its maximum and the mean of its largest cells."""
    frames, classes, rows, columns = maps.get_output_shape(0)
    cells = ops.reshape(maps, _shape(frames, classes, rows * columns), special_zero=False)
    count = ops.constant(np.int64(min(LARGEST_CELLS, rows * columns)))
    largest = ops.topk(cells, count, 2, "max", "none").output(0)
    reductions = (ops.reduce_mean, cells), (ops.reduce_max, cells), (ops.reduce_mean, largest)
    return [reduce(values, _shape(2), keep_dims=False) for reduce, values in reductions]


def _head(pooled: list[Node], maps: list[Node], weights: _Weights) -> Node:
    """Make a logit of pooled features and, where there are some, those of class maps."""
    kernel, bias = weights.linear("head.2", "head.0") if maps else weights.linear("head.1")
    features = ops.concat([*pooled, *maps], axis=1)
    logits = ops.add(ops.matmul(features, ops.constant(kernel), False, True), ops.constant(bias))
    return ops.squeeze(logits, _shape(1))


def _shape(*values: int) -> Node:
    return ops.constant(np.array(values, np.int64))
