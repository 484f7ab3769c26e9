"""Every network of the registry at a width that a test can afford."""

import tomllib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groklst_models.padding import run_padded
from groklst_models.registry import REGISTRY, build, find

TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("networks.toml").read_text(encoding="utf-8")
)
"""Of each network: ``parameters`` and ``published`` at ×2, ×4, ×8 (0 where there is none), the
arguments ``tiny`` for tests and ``small`` for short trainings."""

NETWORKS = [name for name, entry in REGISTRY.items() if entry.needs_weights]
BANDS = 3


def is_guided(name: str) -> bool:
    return find(name).shelf == "guided"


def tiny(name: str, scale: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    guided = {"guide_channels": BANDS} if is_guided(name) else {}
    network: nn.Module = build(name, scale=scale, **guided, **TABLE[name]["tiny"])
    return network.eval()


def inputs(name: str, scale: int, height: int, width: int, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    lst = torch.randn(batch, 1, height, width, generator=generator)
    guide = torch.randn(batch, BANDS, height * scale, width * scale, generator=generator)
    return [lst, guide] if is_guided(name) else [lst]


def run(network: nn.Module, given: list[Tensor], scale: int) -> Tensor:
    with torch.inference_mode():
        return run_padded(network, given[0], given[1] if len(given) > 1 else None, scale)


def fits(network: nn.Module, size: int) -> int:
    """The next size that the network takes."""
    multiple = int(network.multiple_of)
    return -(-size // multiple) * multiple
