"""Cubic convolution.

R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on
Acoustics, Speech, and Signal Processing 29(6), 1981. A cubic that interpolates the coarse pixels
and matches central differences, so that quadratics are reproduced. The kernel's parameter is Keys'
-1/2 (GDAL's and MATLAB's; torch uses -3/4, which does not reproduce even a plane); beyond the
scene's edge the LST is continued by reflection through the edge pixel, so a plane stays a plane.
"""

from typing import ClassVar

import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles

_A = -0.5
_TAPS = (-2, -1, 0, 1, 2)


class Bicubic:
    """Interpolate the LST; guidance is not looked at."""

    needs_guide: ClassVar[bool] = False
    uses_guide: ClassVar[bool] = False
    multiple_of = 1
    pools_tile = False
    halo = 2

    def __init__(self, *, scale: int) -> None:
        self.scale = scale

    def fit(self, scene: SceneView) -> None:
        """Do nothing: the kernel is fixed."""

    def predict(self, tiles: Tiles) -> Tensor:
        """Interpolate ``(B, 1, h, w)`` to ``(B, 1, s·h, s·w)``, kelvin."""
        return upsample_cubic(tiles.lst, self.scale)


def upsample_cubic(coarse: Tensor, scale: int) -> Tensor:
    """Interpolate along rows, then columns; pixel centres lie where the grid puts them."""
    rows = _upsample_last(coarse.transpose(-1, -2), scale)
    return _upsample_last(rows.transpose(-1, -2), scale)


def _upsample_last(coarse: Tensor, scale: int) -> Tensor:
    padded = _continue_last(coarse, 2)
    size = coarse.shape[-1]
    phases = []
    for phase in range(scale):
        offset = (phase + 0.5) / scale - 0.5  # of the fine pixel's centre, coarse pixels
        taps = [(tap, _keys(offset - tap)) for tap in _TAPS]
        phases.append(sum(w * padded[..., 2 + t : 2 + t + size] for t, w in taps if w))
    return torch.stack(phases, dim=-1).flatten(-2)


def _continue_last(coarse: Tensor, count: int) -> Tensor:
    """Reflect through the first and last value; one pixel alone is repeated."""
    size = coarse.shape[-1]
    inner = [min(i, size - 1) for i in range(count, 0, -1)]
    first = 2 * coarse[..., :1] - coarse[..., inner]
    last = 2 * coarse[..., -1:] - coarse[..., [size - 1 - i for i in reversed(inner)]]
    return torch.cat([first, coarse, last], dim=-1)


def _keys(distance: float) -> float:
    d = abs(distance)
    if d < 1:
        return (_A + 2) * d**3 - (_A + 3) * d**2 + 1
    if d < 2:
        return _A * (d**3 - 5 * d**2 + 8 * d - 4)
    return 0.0
