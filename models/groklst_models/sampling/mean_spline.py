"""The cubic spline whose means over coarse pixels are given: a smooth field without block edges.

M. Unser, A. Aldroubi & M. Eden, "B-spline signal processing: Part II", IEEE Transactions on Signal
Processing 41(2), 1993. The field that restores coarse means in the command line is the same one;
here it is a tensor, and its coefficients are kept, so that any part of it can be evaluated alone.
"""

from functools import cached_property
from typing import Final

import torch
from torch import Tensor

_SUPPORT: Final = 2
"""Coarse pixels on either side whose coefficients a fine pixel depends on."""

_RING: Final = 256
_CUT_OFF: Final = 1e-6


class MeanSpline:
    """Fields of a scene; beyond its edge they are mirrored.

    Attributes:
        scale: Fine pixels along a coarse pixel.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def coefficients(self, means: Tensor) -> Tensor:
        """Find the coefficients ``(K, H + 4, W + 4)`` of fields with means ``(K, H, W)``."""
        found = means.double()
        for axis in (-2, -1):
            size, radius = found.shape[axis], len(self._inverse) // 2
            padded = found.index_select(axis, _mirrored(size, radius).to(found.device))
            total = torch.zeros_like(found)
            for step, weight in enumerate(self._inverse.tolist()):
                total += padded.narrow(axis, step, size) * weight
            found = total
        for axis in (-2, -1):
            found = found.index_select(
                axis, _mirrored(found.shape[axis], _SUPPORT).to(found.device)
            )
        return found.float()

    def evaluate(
        self, coefficients: Tensor, row: int, column: int, height: int, width: int
    ) -> Tensor:
        """Evaluate fields over a window.

        Args:
            coefficients: As ``coefficients`` returns them.
            row: The window's first coarse row.
            column: Its first coarse column.
            height: Its coarse rows.
            width: Its coarse columns.

        Returns:
            ``(K, s·h, s·w)``.
        """
        around = 2 * _SUPPORT
        near = coefficients[:, row : row + height + around, column : column + width + around]
        down, across = (self._matrix(size).to(near) for size in (height, width))
        return down @ near @ across.T

    def spread(self, count: int) -> Tensor:
        """Write the field along one axis as a matrix ``(s·n, n)`` of its means."""
        inner = torch.eye(count, dtype=torch.float64)[:, :, None]
        size, radius = count, len(self._inverse) // 2
        padded = inner.index_select(0, _mirrored(size, radius))
        found = torch.zeros_like(inner)
        for step, weight in enumerate(self._inverse.tolist()):
            found += padded[step : step + size] * weight
        found = found.index_select(0, _mirrored(size, _SUPPORT))
        return (self._matrix(count).double() @ found[..., 0]).float()

    @cached_property
    def _phases(self) -> Tensor:
        """Sample the cubic B-spline: ``[phase, tap]`` weighs coefficient ``i + tap - 2``."""
        centres = (torch.arange(self.scale, dtype=torch.float64) + 0.5) / self.scale - 0.5
        distance = (centres[:, None] - torch.arange(-_SUPPORT, _SUPPORT + 1)).abs()
        near = 2 / 3 - distance**2 + distance**3 / 2
        return torch.where(distance < 1, near, (2 - distance).clamp(min=0) ** 3 / 6)

    @cached_property
    def _inverse(self) -> Tensor:
        """Weights that turn means into coefficients, cut off where they no longer matter."""
        means = torch.zeros(_RING, dtype=torch.float64)
        middle = _RING // 2
        means[middle - _SUPPORT : middle + _SUPPORT + 1] = self._phases.mean(dim=0)
        seen = torch.fft.fft(torch.roll(means, middle))
        ring = torch.fft.ifft(1 / seen).real
        radius = int(torch.nonzero(ring[:middle].abs() > _CUT_OFF)[-1])
        return torch.cat([ring[-radius:], ring[: radius + 1]])

    def _matrix(self, count: int) -> Tensor:
        """Return the evaluation over ``n`` coarse pixels as a matrix ``(s·n, n + 4)``."""
        matrix = self._phases.new_zeros(count, self.scale, count + 2 * _SUPPORT)
        place = torch.arange(count)
        for tap, weights in enumerate(self._phases.T):
            matrix[place, :, place + tap] = weights
        return matrix.flatten(0, 1)


def _mirrored(size: int, beyond: int) -> Tensor:
    """Number the pixels of a line and those beyond its ends, mirrored with the edge pixel."""
    place = torch.arange(-beyond, size + beyond) % (2 * size)
    return torch.where(place < size, place, 2 * size - 1 - place)
