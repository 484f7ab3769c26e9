"""How a finer LST becomes a coarser one: the mean of a pixel's valid parts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST_VALID: Final = 0.5
"""Share of a pixel that must be valid for its mean to count."""


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
