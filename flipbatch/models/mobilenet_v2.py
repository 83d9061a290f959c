"""MobileNetV2 with one logit, from scratch or from ImageNet weights.

Knows the sources of weights and the layers that they fill. Does not know training or bundles. Torchvision is
imported only to build a network: its import takes seconds.
"""

from __future__ import annotations

import io
import pickle
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import safetensors.torch
import torch
from torch import Tensor, nn

from flipbatch import storage
from flipbatch.errors import StorageError, WeightsError
from flipbatch.models.normalise import Normalise
from flipbatch.models.preprocessing import mobilenet_window

_DOWNLOAD_TIMEOUT_SECONDS = 30


class MobileNetV2(nn.Module):
    """Torchvision's MobileNetV2 with a head of one logit.

    Attributes
    ----------
    statistics_frozen : bool
        Whether BatchNorm keeps its running statistics in training. True with pretrained weights, which
        were trained with ImageNet's statistics: small batches of one book's frames would overwrite these.
    """

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        network = mobilenet_v2(weights=None)
        self.normalise = Normalise()
        self.features = network.features
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(network.last_channel, 1))
        self.statistics_frozen = False

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one logit per frame.

        Parameters
        ----------
        pixels : Tensor
            (N, 3, H, W), RGB, 0 to 255, uint8 or float.

        Returns
        -------
        Tensor
            (N,), float; above 0 if a flip is likelier than not.
        """
        return self.head(self.embed(pixels)).squeeze(1)

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the features that the head takes: (N, 1280), float32."""
        top, left, bottom, right = mobilenet_window(*pixels.shape[2:])
        return self.features(self.normalise(pixels[:, :, top:bottom, left:right])).mean(dim=(2, 3))

    def train(self, mode: bool = True) -> MobileNetV2:
        """Switch to training or evaluation; frozen BatchNorm layers stay in evaluation."""
        super().train(mode)
        if self.statistics_frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def load_features(self, weights: Mapping[str, Tensor]) -> None:
        """Load all layers except the head, and freeze the BatchNorm statistics.

        Parameters
        ----------
        weights : mapping of str to Tensor
            A state dict with torchvision's names; the classifier is ignored.

        Raises
        ------
        WeightsError
            If a layer is missing, unknown or of another shape.
        """
        features = {name: value for name, value in weights.items() if name.startswith("features.")}
        try:
            self.features.load_state_dict({name.removeprefix("features."): v for name, v in features.items()})
        except RuntimeError as error:
            why = " ".join(str(error).split())[:200]
            raise WeightsError(f"The weights do not fit torchvision's MobileNetV2: {why}.") from error
        self.statistics_frozen = True


def read_weights(source: str) -> dict[str, Tensor]:
    """Read MobileNetV2 weights.

    Parameters
    ----------
    source : str
        ``imagenet`` downloads torchvision's weights; anything else is the URI of a ``.safetensors`` file, or
        of a file that `torch.load` reads without executing code.

    Raises
    ------
    WeightsError
        If they can't be read; its message names the three alternatives.
    """
    try:
        return _download() if source == "imagenet" else _read_file(storage.normalise(source))
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"The weights {source!r} can't be read ({why}). Use --weights imagenet where torchvision's "
            "downloads can be reached, --weights URI with a .safetensors or .pth file, or --weights none to "
            "train from scratch."
        ) from error


def _download() -> dict[str, Tensor]:
    from torchvision.models import MobileNet_V2_Weights

    with _socket_timeout(_DOWNLOAD_TIMEOUT_SECONDS):
        return dict(MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Limit a download that has no time-out of its own: it could wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read_file(uri: str) -> dict[str, Tensor]:
    data = storage.read_required(uri, "the weights")
    if uri.endswith(".safetensors"):
        return safetensors.torch.load(data)
    try:
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own message says how to execute the code
        raise StorageError(f"{uri} is damaged, or has code besides weights, which is not executed") from error
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise StorageError(f"{uri} has no state dict")
    return dict(weights)
