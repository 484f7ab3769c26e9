"""The costs of a network: parameters and operations are counted, time is measured."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from groklst_models.registry import build, find

BENCHMARK_CHANNELS: Final = 10
"""Guidance channels of the GrokLST dataset."""


def count_parameters(name: str, scale: int) -> int:
    """Count a network's trainable parameters at its default widths."""
    return sum(parameter.numel() for parameter in _weightless(name, scale).parameters())


def count_operations(name: str, scale: int, *, side: int = 512) -> int:
    """Count a network's multiplications and additions for one fine tile.

    Convolutions, matrix products and attention are counted; elementwise operations are not.

    Args:
        name: The network's key.
        scale: How many times finer its output is.
        side: Side of the tile, fine pixels; rounded up to the multiple that the network takes.
    """
    network = _weightless(name, scale)
    coarse = -(-side // scale // network.multiple_of) * network.multiple_of
    given = [torch.empty(1, 1, coarse, coarse, device="meta")]
    if find(name).shelf == "guided":
        fine = coarse * scale
        given.append(torch.empty(1, BENCHMARK_CHANNELS, fine, fine, device="meta"))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*given)
    return int(counter.get_total_flops())


def _weightless(name: str, scale: int) -> Any:
    """Build a network without memory for its weights."""
    guided = {"guide_channels": BENCHMARK_CHANNELS} if find(name).shelf == "guided" else {}
    with torch.device("meta"):
        return build(name, scale=scale, **guided).eval()


@dataclass(frozen=True)
class Speeds:
    """How long networks take.

    Attributes:
        conditions: On which hardware and how they were measured; a clause.
        ratio: Time of a forward pass over EDSR's, by the network's key.
    """

    conditions: str
    ratio: Mapping[str, float]


@cache
def speeds() -> Speeds:
    """Read what ``benchmarks/network_speed.py`` measured."""
    text = files("groklst_models").joinpath("speeds.toml").read_text(encoding="utf-8")
    return Speeds(**tomllib.loads(text))
