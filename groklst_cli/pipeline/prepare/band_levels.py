"""Detect bands with different units in several scenes, as reflectance without its scale.

Each scene alone is valid, but a network cannot learn from both.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import InputError
from groklst_cli.geo.containers import setting_scale

REFLECTANCES: Final = frozenset(
    ("deepblue", "blue", "green", "red", "vre", "nir", "swir1", "swir2")
)
"""Bands whose level varies by not more than a few times between places and seasons."""

_APART: Final = 50.0
"""Factor; missing scales are a thousand and more, and no two places differ so much."""


class BandLevels:
    """Collects the level of each band in each scene."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, tuple[float, int]]] = {}

    def add(self, scene: str, band: str, values: NDArray[Any]) -> None:
        """Add the finite values of a patch."""
        known = np.abs(values[np.isfinite(values)])
        total, count = self._sums.setdefault(band, {}).get(scene, (0.0, 0))
        self._sums[band][scene] = total + float(known.sum(dtype=np.float64)), count + known.size

    def refuse_unlike(self, path_of: Callable[[str, str], str]) -> None:
        """Refuse scenes if one lacks the scale that another has.

        Args:
            path_of: Returns the file of a scene's band.

        Raises:
            InputError: If a reflectance's level differs by more than fifty times.
        """
        for band in sorted(REFLECTANCES & self._sums.keys()):
            means = {s: total / count for s, (total, count) in self._sums[band].items() if count}
            if not means:
                continue
            low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
            if means[high] > _APART * means[low] > 0:
                raise InputError(
                    f"{band} has a mean of {means[low]:.3g} in {low} and of {means[high]:.3g} in "
                    f"{high}: one of them lacks its scale; if it is the second, tag each of its "
                    f"bands with a command such as: {setting_scale(path_of(high, band), 1e-4)}"
                )
