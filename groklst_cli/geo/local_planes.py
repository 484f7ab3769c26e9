"""Estimate a value from its neighbours: a plane through certain values, by weighted least squares.

Where a coarse pixel is partly masked, its value is combined with the plane through certain
neighbours, with a weight that depends on how uncertain the value is. Weights fall with distance.
They are products along both axes, so all sums are separable, and have the same bits in every window
that contains the neighbours.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.filters import correlate

Plane = NDArray[np.float64]

_SPREAD: Final = 1.2  # pixels; of the weights
_LEAST: Final = 1.0  # weight of all neighbours; where all are sure it is nine
_UNTOLD: Final = 1.0  # square kelvin; difference of neighbours if it is not known
_NOTHING: Final = 1e-12
_FLAT: Final = 0.15  # square pixels; shrinkage of slopes where data are few


def weighed(values: Plane, doubts: Plane, sure: Plane, other: Plane, radius: int) -> Plane:
    """Replace uncertain values by the estimate from neighbours, according to their variance.

    Args:
        values: ``(rows, columns)``, NaN where there is none.
        doubts: Variance of each value; 0 where it is certain.
        sure: The certain values, NaN elsewhere.
        other: The estimate where too few neighbours are certain for a plane.
        radius: Pixels around one that are used.
    """
    gaps = np.isnan(sure)
    if not gaps.any():
        return sure
    middle, variance = local_plane(sure, radius)
    stands_in = np.where(np.isfinite(middle), middle, other)
    apart = np.where(np.isfinite(variance), variance, _UNTOLD)
    there = np.isfinite(values)
    weight = np.where(there, apart / (apart + doubts + _NOTHING), 0.0)
    found = stands_in + weight * (np.where(there, values, 0.0) - stands_in)
    return np.where(gaps, found, sure)


def local_plane(values: Plane, radius: int) -> tuple[Plane, Plane]:
    """Fit a plane to the values around each pixel.

    Args:
        values: ``(rows, columns)``, NaN where there is none.
        radius: Pixels around one that count.

    Returns:
        The plane's value at each pixel, and the variance of values about it; NaN where too few
        are near.
    """
    there = np.isfinite(values)
    known, held = there.astype(np.float64), np.where(there, values, 0.0)
    steps = np.arange(-radius, radius + 1, dtype=np.float64)
    near = np.exp(-0.5 * (steps / _SPREAD) ** 2)
    taps: list[Any] = [near, steps * near, steps**2 * near]

    def total(plane: Plane, down: int, across: int) -> Plane:
        return correlate(correlate(plane, taps[down], 0, "constant"), taps[across], 1, "constant")

    count = total(known, 0, 0)
    enough = count > _LEAST
    weight = np.where(enough, count, 1.0)
    y, x, mean = (p / weight for p in (total(known, 1, 0), total(known, 0, 1), total(held, 0, 0)))
    yy, xx, xy = (
        total(known, *powers) / weight - offset
        for powers, offset in (((2, 0), y * y), ((0, 2), x * x), ((1, 1), x * y))
    )
    yv, xv = (
        total(held, *powers) / weight - offset * mean
        for powers, offset in (((1, 0), y), ((0, 1), x))
    )
    vv = total(held**2, 0, 0) / weight - mean**2
    yy, xx = yy + _FLAT, xx + _FLAT
    size = yy * xx - xy * xy
    down, across = (yv * xx - xv * xy) / size, (xv * yy - yv * xy) / size
    middle = mean - down * y - across * x
    variance = np.maximum(vv - down * yv - across * xv, 0.0)
    return np.where(enough, middle, np.nan), np.where(enough, variance, np.nan)
