"""The identity of an engine: everything except the weights that its probabilities depend on.

Knows names and versions. Does not know bundles, and builds no engine. Two engines of one identity give the
same probabilities for the same files. Two engines of different identity may differ in the last digits, so one
run must not mix them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from flipbatch.models.precision import Device, Precision, fastest_precision
from flipbatch.runtime.native_decoder import MODULE
from flipbatch.runtime.versions import versions

EngineName = Literal["openvino", "torch"]

_DECODING_PACKAGES = ("flipbatch", MODULE, "simplejpeg", "pillow")
"""Packages that decide which pixels an engine gets."""


@dataclass(frozen=True)
class EngineIdentity:
    """One way of computing probabilities.

    Attributes
    ----------
    engine : {"openvino", "torch"}
        The library that runs the network.
    device : {"cpu", "cuda"}
    precision : {"bfloat16", "float16", "float32"}
        The number format of the network's multiplications.
    versions : mapping of str to str
        Package name to version: flipbatch, its native decoder (``none`` without it), simplejpeg, pillow and
        the engine's library.
    """

    engine: EngineName
    device: Device
    precision: Precision
    versions: Mapping[str, str]

    @classmethod
    def here(cls, engine: EngineName, device: Device, precision: Precision) -> EngineIdentity:
        """Return the identity of an engine with the packages that are installed here."""
        installed = versions()
        packages = (*_DECODING_PACKAGES, engine)
        return cls(engine, device, precision, {package: installed[package] for package in packages})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EngineIdentity:
        """Read what `to_json` returned.

        Raises
        ------
        ValueError
            If it is not the identity of an engine.
        """
        try:
            packages = {str(package): str(version) for package, version in value["versions"].items()}
            identity = cls(value["engine"], value["device"], value["precision"], packages)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{value!r} is not the identity of an engine") from error
        names = ((identity.engine, EngineName), (identity.device, Device), (identity.precision, Precision))
        if not all(name in get_args(known) for name, known in names):
            raise ValueError(f"{value!r} is not the identity of an engine of this version")
        return identity

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values under the names of the attributes."""
        return {**asdict(self), "versions": dict(self.versions)}

    def __str__(self) -> str:
        """Return one line for messages."""
        packages = ", ".join(f"{package} {version}" for package, version in self.versions.items())
        return f"{self.engine} on {self.device} in {self.precision} ({packages})"


def engine_identity(device: Device = "cpu") -> EngineIdentity:
    """Return the identity of the fastest engine for a device of this machine; build no engine."""
    return EngineIdentity.here("openvino" if device == "cpu" else "torch", device, fastest_precision(device))
