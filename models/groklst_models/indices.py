"""Spectral indices of guidance bands, by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class NormalizedDifference:
    """The index ``(first - second) / (first + second)`` of two reflectances, in -1 … 1."""

    first: str
    second: str
    paper: str


INDICES: Final[dict[str, NormalizedDifference]] = {
    "mndwi": NormalizedDifference("green", "swir1", "Xu, Int. J. Remote Sens. 2006"),
    "nbr": NormalizedDifference("nir", "swir2", "Key & Benson, USGS 2006"),
    "ndbi": NormalizedDifference("swir1", "nir", "Zha et al., Int. J. Remote Sens. 2003"),
    "ndvi": NormalizedDifference("nir", "red", "Rouse et al., NASA 1974"),
    "ndwi": NormalizedDifference("green", "nir", "McFeeters, Int. J. Remote Sens. 1996"),
}
"""Indices that are computed if their bands are present and they are not."""


def derivable(bands: Sequence[str]) -> tuple[str, ...]:
    """Return the indices that can be computed from some bands and are not among them."""
    return tuple(
        name
        for name, index in INDICES.items()
        if name not in bands and index.first in bands and index.second in bands
    )
