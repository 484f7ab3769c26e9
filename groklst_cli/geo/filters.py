"""Weighted sums of neighbours along an axis, in the same order in every window.

SciPy's filters do the same, but importing them takes longer than downscaling a small scene.
"""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Edge = Literal["symmetric", "wrap", "constant"]
"""What is assumed beyond the edge: the mirror image with the edge pixel, the other end, or
zeros."""


def correlate(
    values: NDArray[np.float64],
    weights: Sequence[float] | NDArray[np.float64],
    axis: int,
    edge: Edge = "symmetric",
    *,
    part: slice = slice(None),
) -> NDArray[np.float64]:
    """Replace each value by the weighted sum of those around it along an axis.

    Every sum is taken tap by tap, so it has the same bits in any window that holds its neighbours.

    Args:
        values: An array.
        weights: An odd number of weights; the middle one is for the value itself.
        axis: The axis of the sum.
        edge: What lies beyond the array.
        part: The part of the axis to compute.

    Returns:
        An array of the same shape, or of the part's along the axis.
    """
    radius, (start, stop, _) = len(weights) // 2, part.indices(values.shape[axis])
    widths = [(radius, radius) if i == axis else (0, 0) for i in range(values.ndim)]
    padded = np.moveaxis(np.pad(values, widths, mode=edge), axis, 0)
    total = padded[start:stop] * weights[0]
    for step, weight in enumerate(weights[1:], start=1):
        total += padded[start + step : stop + step] * weight
    return np.moveaxis(total, 0, axis)


def correlate_square(
    values: NDArray[np.float64], weights: Sequence[Sequence[float]]
) -> NDArray[np.float64]:
    """Replace each value of ``(rows, columns)`` by the weighted sum of those in a square around it.

    Beyond the array lies its mirror image. Sums are taken tap by tap, as ``correlate`` takes them.

    Args:
        values: An array.
        weights: Rows of them, an odd number of each.
    """
    side, (height, width) = len(weights), values.shape
    padded = np.pad(values, side // 2, mode="symmetric")
    total = np.zeros_like(values)
    for row, column in product(range(side), range(side)):
        total += padded[row : row + height, column : column + width] * weights[row][column]
    return total
