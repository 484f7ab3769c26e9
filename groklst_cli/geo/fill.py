"""Fill gaps so that a method can compute; the gaps of the result are restored elsewhere."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.filters import correlate

REACH: Final = 8
"""How far a gap is filled from its surroundings, pixels."""

_RADII = (1, 2, 4, REACH)


def fill_gaps(
    values: NDArray[np.float32], background: float, radii: tuple[int, ...] = _RADII
) -> NDArray[np.float32]:
    """Replace NaN by the mean of the valid pixels around, from the nearest ring that has any.

    A pixel depends only on pixels within the largest radius, so windows that overlap by that much
    agree to the last bit.

    Args:
        values: ``(rows, columns)``, any unit.
        background: What a pixel farther from all valid ones gets.
        radii: Half widths of the squares that are tried in turn, pixels.

    Returns:
        A copy without NaN; the input itself if it has none.
    """
    gaps = np.isnan(values)
    if not gaps.any():
        return values
    filled = np.where(gaps, np.float32(background), values)
    known = (~gaps).astype(np.float64)
    weighted = np.where(gaps, 0.0, values).astype(np.float64)
    left = gaps.copy()
    for radius in radii:
        count, total = _box_sum(known, radius), _box_sum(weighted, radius)
        found = left & (count > 0.5)
        filled[found] = (total[found] / count[found]).astype(np.float32)
        left &= ~found
        if not left.any():
            break
    return filled


def _box_sum(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    ones = [1.0] * (2 * radius + 1)
    return correlate(correlate(values, ones, 0, "constant"), ones, 1, "constant")
