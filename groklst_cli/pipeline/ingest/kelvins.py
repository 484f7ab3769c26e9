"""Kelvin of stored values if a product's files may or may not be scaled already."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.pipeline.ingest.product import Stored

_POSSIBLE: Final = (150.0, 600.0)  # kelvin
STEP: Final = 0.02
"""Kelvin of a step of MODIS's and VIIRS's temperatures."""

_LEAST: Final = 7500
"""The least number that is a temperature: 150 K; 0 is the fill."""


def as_kelvin(name: str) -> Callable[[Sequence[Stored]], NDArray[np.float64]]:
    """Take kelvin as they stand, where one can be as warm."""
    low, high = _POSSIBLE

    def kelvin(stored: Sequence[Stored]) -> NDArray[np.float64]:
        values = stored[0].astype(np.float64)
        return np.where((values >= low) & (values <= high), values, np.nan)

    return kelvin


def in_steps(scale: float = STEP) -> Callable[[Sequence[Stored]], NDArray[np.float64]]:
    """Multiply by the step, from the least valid number on."""

    def kelvin(stored: Sequence[Stored]) -> NDArray[np.float64]:
        values = stored[0].astype(np.float64)
        return np.where((values >= _LEAST) & (values <= 65535), values * scale, np.nan)

    return kelvin
