"""Number formats that the engines compute in.

Knows what the hardware offers. Does not know networks, bundles or engines. Openvino and torch are imported
only if their device is asked for: scoring on CPUs works without torch.
"""

from __future__ import annotations

from typing import Literal

from flipbatch.errors import InputError

Device = Literal["cpu", "cuda"]
Precision = Literal["bfloat16", "float16", "float32"]


def fastest_precision(device: Device) -> Precision:
    """Return the fastest number format that a device computes in natively."""
    if device == "cpu":
        return "bfloat16" if has_bfloat16() else "float32"
    return "bfloat16" if gpu_has_bfloat16() else "float16"


def has_bfloat16() -> bool:
    """Return whether this CPU computes in bfloat16 natively, as AVX512-BF16 and AMX do."""
    from openvino import Core

    return "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def gpu_has_bfloat16() -> bool:
    """Return whether the current GPU computes in bfloat16 natively, as compute capability 8.0 and above do.

    Cards below (T4, V100) emulate bfloat16, far slower than they compute float16.
    """
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


def require_gpu() -> None:
    """Require a GPU that torch can use in this process.

    Raises
    ------
    InputError
    """
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            "This machine has no GPU that torch can use: leave --gpu out, or start the command on a machine "
            "that has one."
        )
