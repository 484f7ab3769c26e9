"""The mean under a Gaussian window, with gaps.

Pixels beyond the edge are treated as gaps: a raster, and the same raster in a frame of nodata, have
the same mean to the last bit.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_TRUNCATE: Final = 4.0  # standard deviations


def gaussian_mean(
    plane: NDArray[np.floating], sigma: float, *, radius: int | None = None
) -> NDArray[np.float64]:
    """Average the valid pixels under a Gaussian; gaps stay gaps.

    Args:
        plane: ``(rows, columns)``, NaN where there is no value.
        sigma: Standard deviation, pixels; 0 for none.
        radius: Pixels from the middle of the window to its end; None for ``reach(sigma)``.

    Returns:
        ``(rows, columns)`` in double precision.
    """
    values = plane.astype(np.float64)
    if sigma == 0:
        return values
    from scipy.ndimage import gaussian_filter  # many callers never need SciPy

    valid = np.isfinite(values)
    radius = reach(sigma) if radius is None else radius
    total, share = (
        gaussian_filter(part, sigma, mode="constant", radius=radius)
        for part in (np.where(valid, values, 0.0), valid.astype(np.float64))
    )
    return np.where(valid, total / np.where(valid, share, 1.0), np.nan)


def reach(sigma: float) -> int:
    """Pixels beyond which the mean does not look."""
    return int(_TRUNCATE * sigma + 0.5)
