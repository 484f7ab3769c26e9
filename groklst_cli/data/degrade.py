"""Aggregate a fine LST to a coarser one: the mean of the valid fine pixels."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.conserve import known_means

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
    return known_means(fine, factor, LEAST_VALID * factor**2).astype(np.float32)
