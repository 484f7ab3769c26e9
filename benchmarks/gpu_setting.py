"""Where the GPU benchmark runs and how large it is."""

import os
import platform
import subprocess
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from groklst_cli import __version__
from groklst_cli.pipeline.predict.devices import keep_fp32, keep_order

ROOT = Path(__file__).parents[1]
GIB = 2**30
WIDTHS = tomllib.loads((ROOT / "tests" / "models" / "networks.toml").read_text(encoding="utf-8"))
"""Of each network, small arguments and the least that it takes."""


@dataclass(frozen=True)
class Setting:
    """Where, how large, and what is known.

    Attributes:
        device: As torch names it.
        tiny: Whether this is a rehearsal with everything as small as it can be.
        known: Rows that the step has found before it was cut short.
    """

    device: str
    tiny: bool
    known: tuple[dict[str, Any], ...] = ()

    def knowing(self, rows: tuple[dict[str, Any], ...]) -> Self:
        """Return the same with rows that need not be found again."""
        return replace(self, known=rows)

    def knows(self, **told: object) -> bool:
        """Tell whether a row that begins so is known."""
        return any(told.items() <= row.items() for row in self.known)

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a GPU of torch's CUDA kind."""
        return self.device.startswith("cuda")

    @property
    def published(self) -> dict[str, Any]:
        """MoCoLSK-Net's arguments: the published ones, or the least."""
        return self.arguments_of("mocolsk")

    def arguments_of(self, network: str) -> dict[str, Any]:
        """Return a network's arguments: none, so that it is the published one, or the least."""
        if network == "mocolsk" and self.tiny:
            return {"width": 4, "stages": 1, "blocks": 1}
        return WIDTHS[network]["tiny"] if self.tiny else {}

    @property
    def tile(self) -> int:
        """Side of a tile, fine pixels."""
        return 64 if self.tiny else 512

    def begin(self) -> torch.device:
        """Return the device, set as groklst sets it."""
        device = torch.device(self.device)
        if self.tiny:
            torch.set_num_threads(1)  # so little is computed that threads only wait for each other
        keep_fp32(device)
        keep_order(device)
        return device

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.on_cuda:
            torch.cuda.synchronize()

    def forget_peak(self) -> None:
        """Begin to measure peak memory anew."""
        if self.on_cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> float | None:
        """Return the largest amount of the device's memory that was taken, GiB."""
        return round(torch.cuda.max_memory_allocated() / GIB, 2) if self.on_cuda else None


def conditions(setting: Setting) -> dict[str, object]:
    """Tell what the figures depend on."""
    return {
        "device": card() if setting.on_cuda else platform.machine(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "groklst": __version__,
        "tiny": setting.tiny,
    }


def card() -> str:
    """Return the GPU's name without using it: a process that has used CUDA cannot be forked."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
