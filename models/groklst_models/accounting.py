"""What a network costs: parameters and operations, counted without memory for either."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from groklst_models.registry import build, find

BENCHMARK_CHANNELS = 10
"""Guidance channels of the GrokLST dataset."""


@dataclass(frozen=True)
class Cost:
    """What a network costs at its default widths.

    Attributes:
        parameters: Trainable numbers.
        operations: Multiplications and additions for one tile.
    """

    parameters: int
    operations: int


def cost(name: str, *, scale: int, side: int = 512) -> Cost:
    """Count the parameters of a network, and its operations for one fine tile.

    Counted on the meta device, so nothing is computed: convolutions, matrix products and attention
    are counted, what works on each value alone is not.

    Args:
        name: The network's key.
        scale: How many times finer its output is.
        side: Of the tile, fine pixels; a network that takes multiples of some size gets the next.
    """
    guided = {"guide_channels": BENCHMARK_CHANNELS} if find(name).shelf == "guided" else {}
    with torch.device("meta"), torch.inference_mode():
        network = build(name, scale=scale, **guided).eval()
        coarse = -(-side // scale // network.multiple_of) * network.multiple_of
        given = [torch.empty(1, 1, coarse, coarse)]
        if guided:
            given.append(torch.empty(1, BENCHMARK_CHANNELS, coarse * scale, coarse * scale))
        with FlopCounterMode(display=False) as counter:
            network(*given)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops())
