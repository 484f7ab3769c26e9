"""Noise that depends only on the seed and the position of a fine pixel.

With a sequence of random numbers, a tile's noise would depend on what was drawn before it. Here
each number is a hash of the seed, its plane and the pixel's row and column in the scene, so that it
does not depend on batches, tiles or processes, and overlapping tiles share their noise. The hash is
the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014); its upper bits choose one of 65,536 equally likely levels of the normal distribution,
so that every device has the same bits.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import torch
from torch import Tensor

_LEVELS: Final = 2**16
_MASK: Final = 2**64 - 1
_STEP: Final = 0x9E3779B97F4A7C15
_ROUNDS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT: Final = 31


def noise_at(
    rows: Sequence[int],
    columns: Sequence[int],
    shape: tuple[int, int],
    *,
    seed: int,
    planes: range,
    device: torch.device,
) -> Tensor:
    """Return standard normal noise for some tiles.

    Args:
        rows: The scene's fine row at which each tile begins.
        columns: The scene's fine column at which each tile begins.
        shape: Rows and columns of a tile, fine pixels.
        seed: Seed of the noise; 0 or more.
        planes: Numbers of the planes; planes are independent of each other.
        device: The device of the result.

    Returns:
        ``(B, len(planes), *shape)``, float32.
    """
    key = _hashed_number(seed)
    keys = torch.tensor([_signed(_hashed_number(key + n + 1)) for n in planes])
    down = _places(rows, shape[0], device)[:, None, :]  # (B, 1, rows)
    across = _places(columns, shape[1], device)[:, None, None, :]
    of_rows = _hashed(keys.to(device)[:, None] + down)[..., None]  # (B, planes, rows, 1)
    level = (_hashed(of_rows + across) >> 48) & (_LEVELS - 1)
    return _normal_levels(device)[level]


@cache
def _normal_levels(device: torch.device) -> Tensor:
    """Return the middles of equally likely parts of the normal distribution; their variance is 1.

    Made on the CPU, so that every device has the same.
    """
    shares = (torch.arange(_LEVELS, dtype=torch.float64) + 0.5) / _LEVELS
    middles: Tensor = torch.special.ndtri(shares)
    return (middles / middles.std(correction=0)).float().to(device)


def _places(starts: Sequence[int], size: int, device: torch.device) -> Tensor:
    """Number the rows or columns of each tile, ``(B, size)``, a step of the hash apart."""
    first = torch.tensor(starts, dtype=torch.int64)[:, None]
    return (first + torch.arange(size)).to(device) * _signed(_STEP)


def _hashed(values: Tensor) -> Tensor:
    """Hash 64-bit numbers, which overflow as they should."""
    for shift, factor in _ROUNDS:
        values = (values ^ _shifted(values, shift)) * _signed(factor)
    return values ^ _shifted(values, _LAST_SHIFT)


def _shifted(values: Tensor, by: int) -> Tensor:
    """Shift right and fill with zeros; torch repeats the sign."""
    return (values >> by) & ((1 << (64 - by)) - 1)


def _hashed_number(number: int) -> int:
    value = (number + 1) * _STEP & _MASK
    for shift, factor in _ROUNDS:
        value = (value ^ value >> shift) * factor & _MASK
    return value ^ value >> _LAST_SHIFT


def _signed(number: int) -> int:
    """Return the number of two's complement that has the same 64 bits."""
    return number - 2**64 if number >= 2**63 else number
