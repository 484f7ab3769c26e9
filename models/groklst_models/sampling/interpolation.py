"""Separable interpolation of coarse pixels at the centres of fine ones, phase by phase.

Beyond the array's edge values are continued by reflection through the edge pixel, so a kernel that
reproduces a plane inside does so up to the edge.
"""

from collections.abc import Callable
from typing import Final

from torch import Tensor, cat

Kernel = Callable[[float], float]
"""Weight of a coarse pixel by its distance, coarse pixels."""

INTERPOLATION_REACH: Final = 2
"""Coarse pixels around one that the cubic depends on."""

_KEYS: Final = -0.5


def upsample_linear(coarse: Tensor, scale: int) -> Tensor:
    """Interpolate ``(…, h, w)`` linearly to ``(…, s·h, s·w)``."""
    return _upsample(coarse, scale, _tent, 1)


def upsample_cubic(coarse: Tensor, scale: int) -> Tensor:
    """Interpolate ``(…, h, w)`` by Keys' cubic to ``(…, s·h, s·w)``."""
    return _upsample(coarse, scale, _keys, 2)


def _upsample(coarse: Tensor, scale: int, kernel: Kernel, reach: int) -> Tensor:
    """Interpolate along columns while there are few rows, then along rows."""
    across = _upsample_rows(coarse.transpose(-1, -2), scale, kernel, reach)
    return _upsample_rows(across.transpose(-1, -2), scale, kernel, reach)


def _upsample_rows(coarse: Tensor, scale: int, kernel: Kernel, reach: int) -> Tensor:
    *others, height, width = coarse.shape
    padded = _continue_rows(coarse.contiguous(), reach)
    fine = coarse.new_empty(*others, height, scale, width)
    for phase in range(scale):
        offset = (phase + 0.5) / scale - 0.5  # of the fine pixel's centre, coarse pixels
        weights = {tap: kernel(offset - tap) for tap in range(-reach, reach + 1)}
        taps = [(tap, weight) for tap, weight in weights.items() if weight]
        rows = [(padded[..., reach + t : reach + t + height, :], weight) for t, weight in taps]
        total = rows[0][0] * rows[0][1]
        for values, weight in rows[1:]:
            total.add_(values, alpha=weight)
        fine[..., phase, :] = total
    return fine.flatten(-3, -2)


def _continue_rows(coarse: Tensor, count: int) -> Tensor:
    """Reflect through the first and last row; one row alone is repeated."""
    size = coarse.shape[-2]
    inner = [min(i, size - 1) for i in range(count, 0, -1)]
    first = 2 * coarse[..., :1, :] - coarse[..., inner, :]
    last = 2 * coarse[..., -1:, :] - coarse[..., [size - 1 - i for i in reversed(inner)], :]
    return cat([first, coarse, last], dim=-2)


def _tent(distance: float) -> float:
    return max(0.0, 1.0 - abs(distance))


def _keys(distance: float) -> float:
    d = abs(distance)
    if d < 1:
        return (_KEYS + 2) * d**3 - (_KEYS + 3) * d**2 + 1
    if d < 2:
        return _KEYS * (d**3 - 5 * d**2 + 8 * d - 4)
    return 0.0
