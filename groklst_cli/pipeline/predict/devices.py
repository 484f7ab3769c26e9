"""Devices and precision."""

import os
from typing import Any

import torch

from groklst_cli.errors import DeviceError, UsageError
from groklst_cli.pipeline.predict.settings import PrecisionChoice
from groklst_models.precisions import Precision


def find_device(name: str) -> torch.device:
    """Return the device for ``--device``, if it is available.

    Raises:
        DeviceError: If it is unknown or not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name} is not one of auto, cpu, cuda, cuda:N, mps") from error
    if not _is_there(device):
        raise DeviceError(f"device {name} is not available here; use --device cpu or auto")
    return device


def device_to_plan_on(name: str) -> str:
    """Return the device for planning what another machine computes: the same one if it exists here.

    Raises:
        UsageError: If it is unknown.
    """
    try:
        find_device(name)
    except DeviceError:
        return "cpu"
    return name


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def keep_fp32(device: torch.device) -> None:
    """Compute full fp32 on a GPU, where torch rounds convolutions to the ten bits of TF32."""
    if device.type != "cuda":
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    # From torch 2.9 on each operation has a word of its own, which may contradict these two: then
    # it is the one that counts, and whoever asks for the two gets an error.
    cudnn: Any = torch.backends.cudnn
    if hasattr(cudnn, "conv"):
        for operation in (cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul):
            operation.fp32_precision = "ieee"


def keep_order(device: torch.device) -> None:
    """Make a GPU add in a fixed order, so that the same request gives the same bits.

    Otherwise, cuDNN uses transposed convolutions that add in the order of threads.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True


def keep_order_in_training(device: torch.device) -> None:
    """Use algorithms that add in a fixed order, also in gradients, if a device has them.

    On a GPU torch warns of an operation that has none, and cuBLAS keeps the order only with a
    workspace that is named before it is first used
    (https://docs.nvidia.com/cuda/cublas/#results-reproducibility).
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")


def find_precision(asked: PrecisionChoice, device: torch.device) -> Precision:
    """Return the requested precision, or the fastest that a device supports in hardware."""
    if asked != "auto":
        return asked
    return "bf16" if has_bf16(device) else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Return whether a GPU supports bf16 in hardware; older ones emulate it, slower than fp32."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
