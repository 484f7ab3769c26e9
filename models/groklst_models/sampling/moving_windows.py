"""Moving windows on a lattice of the scene, whose answers are blended without seams."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

WINDOW: Final = 15
"""Side of a window, coarse pixels."""

STEP: Final = 8
"""Between the centres of neighbours, coarse pixels."""


@dataclass(frozen=True)
class MovingWindow:
    """Coarse pixels of a tile that a local model learns from, around a centre of the lattice.

    Attributes:
        rows: Of the tile.
        columns: Of the tile.
        centre: Row and column of the tile, also where that lies outside it.
    """

    rows: slice
    columns: slice
    centre: tuple[int, int]

    def reach(self, shape: tuple[int, ...], scale: int) -> tuple[tuple[slice, slice], Tensor]:
        """Return where the model answers, at some scale, and with what weight."""
        (rows, down), (columns, across) = (
            _tent(centre, size, scale) for centre, size in zip(self.centre, shape, strict=True)
        )
        return (rows, columns), down[:, None] * across


class Blend:
    """A weighted mean of overlapping answers, and another answer where there is none."""

    def __init__(self, otherwise: Tensor) -> None:
        self._otherwise = otherwise
        self._total = torch.zeros_like(otherwise)
        self._weight = torch.zeros_like(otherwise)

    def add(self, answer: Tensor, part: tuple[slice, slice], weight: Tensor) -> None:
        """Add the answer that holds in one part, with its weight there."""
        self._total[part] += answer * weight
        self._weight[part] += weight

    @property
    def mean(self) -> Tensor:
        """The mean of the answers."""
        known = self._weight > 1e-6
        return torch.where(known, self._total / self._weight.clamp(min=1e-6), self._otherwise)


def windows_over(shape: tuple[int, ...], row: int, column: int) -> Iterator[MovingWindow]:
    """Yield the windows whose answers reach into a tile; the lattice is the scene's."""
    height, width = shape
    for rows, down in _lattice(height, row):
        for columns, across in _lattice(width, column):
            yield MovingWindow(rows, columns, (down, across))


def _lattice(size: int, first: int) -> Iterator[tuple[slice, int]]:
    """Yield windows along one axis and their centres, in the tile's coarse pixels."""
    number = (first - STEP) // STEP
    while (centre := number * STEP + STEP // 2 - first) < size + STEP:
        start, stop = max(0, centre - WINDOW // 2), min(size, centre + WINDOW // 2 + 1)
        if start < stop:
            yield slice(start, stop), centre
        number += 1


def _tent(centre: int, size: int, scale: int) -> tuple[slice, Tensor]:
    """Fall linearly from the centre to zero at one step from it."""
    start, stop = max(0, centre - STEP), min(size, centre + STEP)
    places = (torch.arange(start * scale, stop * scale) + 0.5) / scale
    weight = (1 - (places - centre).abs() / STEP).clamp(min=0)
    return slice(start * scale, stop * scale), weight
