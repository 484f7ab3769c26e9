"""How a finer LST becomes a coarser one: a point spread, then the mean of a pixel's valid parts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

LEAST_VALID: Final = 0.5
"""Share of a pixel that must be valid for its mean to count."""

_TRUNCATE: Final = 3.0  # standard deviations


def valid_means(fine: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average the valid pixels of ``factor × factor`` blocks.

    Args:
        fine: ``(rows, columns)``, multiples of the factor, NaN where there is no value.
        factor: At least 1.

    Returns:
        ``(rows / factor, columns / factor)``, NaN where less than half of a block is valid.
    """
    if factor == 1:
        return fine
    rows, columns = fine.shape[0] // factor, fine.shape[1] // factor
    blocks = fine.reshape(rows, factor, columns, factor).astype(np.float64)
    valid = np.isfinite(blocks)
    count = valid.sum(axis=(1, 3))
    total = np.where(valid, blocks, 0.0).sum(axis=(1, 3))
    enough = count >= LEAST_VALID * factor**2
    means = np.full((rows, columns), np.nan, np.float32)
    means[enough] = total[enough] / count[enough]
    return means


def blur_valid(fine: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur by a Gaussian over valid pixels; gaps stay gaps.

    Args:
        fine: ``(rows, columns)``, NaN where there is no value.
        sigma: Standard deviation, pixels; 0 for none.
    """
    if sigma == 0:
        return fine
    valid = np.isfinite(fine)
    known = np.where(valid, fine, 0.0).astype(np.float64)
    total = gaussian_filter(known, sigma, mode="nearest", truncate=_TRUNCATE)
    share = gaussian_filter(valid.astype(np.float64), sigma, mode="nearest", truncate=_TRUNCATE)
    blurred = np.full(fine.shape, np.nan, np.float32)
    blurred[valid] = total[valid] / share[valid]
    return blurred


def reach(sigma: float) -> int:
    """Pixels beyond which a blur does not look."""
    return int(_TRUNCATE * sigma + 0.5)
