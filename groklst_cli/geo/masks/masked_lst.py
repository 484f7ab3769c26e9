"""Apply masks to a coarse LST: which pixels are known, and which values are used.

A coarse pixel is known if enough of it is clear. The value of a partly clear pixel may be that of
the clear part alone, if the product excludes clouds, or that of land and cloud, as a sensor sees
it. The scene decides: along the edges of clouds, values are compared with those of fully clear
neighbours. If they differ in proportion to the masked share, they include the cloud. Then the
cloud's part, estimated from fully masked neighbours, is subtracted, and values are weighted by how
certain this is.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.filters import correlate
from groklst_cli.geo.masks.files import MaskFile

WHOLLY: Final = 0.999
"""Share from which on a coarse pixel is wholly clear, but for rounding."""

HALF: Final = 0.5
"""Share from which on a fine pixel is clear, where a mask is finer than the fine grid."""

AROUND: Final = 2
"""Coarse pixels around one that it is compared with."""

_LEAST_AROUND: Final = 3  # of them are wholly clear
_LEAST_COMPARED: Final = 8
_ALIKE: Final = 3.0  # kelvin that values may differ by if all of a pixel were hidden
_SURE: Final = 2.0  # standard errors
_TELLING: Final = 3.0  # kelvin; with a larger standard error nothing can be told
_ENOUGH: Final = 0.1  # of the known pixels are wholly clear; with fewer the others are needed
_FEW: Final = 64
_LEAST_SEEN: Final = 0.3
_LEAST_CLOUD: Final = 0.5  # kelvin
_LEAST_LAND: Final = 0.2  # kelvin

Plane = NDArray[np.float64]
ReadRows = Callable[[slice], NDArray[np.float32]]

Reason = Literal["alike", "cloudy", "needed", "untold"]
"""The finding about values of partly clear pixels: they are like those of clear pixels; they
include the cloud; there are too few other pixels; or it is not known."""

_WORDS: Final = {
    "alike": "their values are like those of clear neighbours, so they are used with a weight "
    "that falls with their masked share",
    "needed": "few pixels are clear as a whole, so their values are used with a weight that falls "
    "with their masked share",
    "cloudy": "their values include the cloud ({contrast:+.1f} K in a fully masked pixel); the "
    "cloud's part is subtracted where masked neighbours show it to within {cloud:.1f} K",
    "untold": "whether their values include the cloud is not known, so they are not used: their "
    "clear part comes from guides and clear neighbours",
}


@dataclass(frozen=True)
class Masking:
    """The masks of a scene, and how they are used.

    Attributes:
        lst: Masks of the LST; a pixel is clear where all say so.
        guides: Masks of guidance; one that has a name is for the band of that name alone.
        min_clear: Share of a coarse pixel that has to be clear for its value to be known.
        fill: Whether the result is also shown where a known coarse pixel is not clear.
    """

    lst: Sequence[MaskFile] = ()
    guides: Sequence[MaskFile] = ()
    min_clear: float = HALF
    fill: bool = False


@dataclass(frozen=True)
class MaskedLst:
    """The effect of masks on an LST, as plain numbers that can be sent to other processes.

    Attributes:
        known: Coarse pixels whose value is known.
        wholly: Those of them that are wholly clear.
        mean: Mean of the values that count, kelvin.
        share: Of the area of the LST's pixels with a value that is clear.
        contrast: Difference from fully clear neighbours, extrapolated to a fully masked pixel,
            kelvin; NaN if nothing can be compared.
        reason: Why the values of partly clear pixels are used or not.
        edge: How much warmer clouds are at their edges than in fully masked neighbours.
        cloud: Standard deviation of clouds around that value, kelvin.
        least: Clear share from which on a value is used after the cloud's part was subtracted.
    """

    known: int
    wholly: int
    mean: float
    share: float
    contrast: float
    reason: Reason
    edge: float = 0.0
    cloud: float = 0.0
    least: float = WHOLLY

    @property
    def partly(self) -> int:
        """Known coarse pixels that are clear in part."""
        return self.known - self.wholly

    @property
    def enough(self) -> bool:
        """Whether there are enough wholly clear pixels to do without the others."""
        return self.wholly >= max(_FEW, _ENOUGH * self.known)

    @property
    def counting(self) -> bool:
        """Whether the values of partly clear pixels count."""
        return self.reason in ("alike", "needed")

    def explain(self) -> list[str]:
        """Describe in words what is assumed."""
        lines = [f"mask: {self.share:.1%} of the LST is clear"]
        if self.partly:
            words = _WORDS[self.reason].format(contrast=self.contrast, cloud=self.cloud)
            lines.append(f"mask: {self.partly} coarse pixels are partly clear; {words}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "clear_share": round(self.share, 4),
            "partly_clear_pixels": self.partly,
            "partly_clear_values": self.reason,
            "contrast": None if math.isnan(self.contrast) else round(self.contrast, 2),
        }

    def without_cloud(self, values: Plane, clear: Plane) -> Plane:
        """Subtract the cloud's part from values, NaN where it is not known well enough.

        Args:
            values: ``(rows, columns)``, kelvin, NaN where there is no value.
            clear: The clear share of each.
        """
        found, _ = _without_cloud(values, clear, self.edge)
        return np.where(clear >= WHOLLY, values, np.where(clear >= self.least, found, np.nan))


def look_at(
    chunks: Iterable[slice], height: int, lst: ReadRows, shares: ReadRows, min_clear: float
) -> MaskedLst:
    """Compute the effect of masks on an LST, in one streaming pass.

    Args:
        chunks: Rows that follow each other and make up the whole.
        height: Of the LST.
        lst: Reads rows of it, kelvin, NaN where there is no value.
        shares: Reads the share of each pixel that is clear.
        min_clear: Share from which on a pixel is known.
    """
    pixels, clear_area, counted, clouds = 0, 0.0, 0, _Clouds()
    known, wholly = _Count(), _Count()
    moments = np.zeros(3)
    for rows in chunks:
        around = slice(max(0, rows.start - AROUND), min(height, rows.stop + AROUND))
        core = slice(rows.start - around.start, rows.stop - around.start)
        values, clear = lst(around).astype(np.float64), shares(around).astype(np.float64)
        differences, hidden = _beside_clear(values, clear, core)
        moments += differences @ differences, differences @ hidden, hidden @ hidden
        counted += len(hidden)
        clouds.add(values, clear, core)
        values, clear = values[core], clear[core]
        there = np.isfinite(values)
        pixels += int(there.sum())
        clear_area += float(clear[there].sum())
        enough = there & (clear >= min_clear)
        known.add(values[enough])
        wholly.add(values[enough & (clear >= WHOLLY)])
    contrast, reason = _contrast(moments, counted)
    share = clear_area / max(1, pixels)
    found = MaskedLst(known.pixels, wholly.pixels, wholly.mean, share, contrast, reason)
    if reason != "alike" and not found.enough:
        found = replace(found, reason="needed")
    if found.reason == "cloudy":
        found = clouds.told(found)
    return replace(found, mean=known.mean) if found.counting else found


class _Count:
    """How many values there are, and their mean."""

    def __init__(self) -> None:
        self.pixels, self._total = 0, 0.0

    def add(self, values: Plane) -> None:
        self.pixels += values.size
        self._total += float(values.sum())

    @property
    def mean(self) -> float:
        return self._total / max(1, self.pixels)


def _beside_clear(values: Plane, clear: Plane, core: slice) -> tuple[Plane, Plane]:
    """Compare partly clear pixels of some rows with wholly clear ones around.

    Returns:
        The differences of their values, kelvin, and the masked shares.
    """
    mean = _mean_around(values, clear >= WHOLLY)
    partly = np.isfinite(values - mean) & (clear > 0) & (clear < WHOLLY)
    chosen = partly[core]
    return (values - mean)[core][chosen], (1 - clear)[core][chosen]


def _without_cloud(values: Plane, clear: Plane, edge: float) -> tuple[Plane, Plane]:
    """Separate land and cloud in values, using fully masked neighbours.

    Returns:
        The land's part, NaN where it is not known; and the factor by which errors of the cloud
        enter it.
    """
    cloud = _mean_around(values, clear < 1 - WHOLLY) + edge
    seen = np.maximum(clear, 1 - WHOLLY)
    times = (1 - clear) / seen
    return values / seen - times * cloud, times


class _Clouds:
    """Sums over rows that tell how well clouds are known at their edges."""

    def __init__(self) -> None:
        self._sums = np.zeros(7)

    def add(self, values: Plane, clear: Plane, core: slice) -> None:
        """Compare unmixed values of some rows with wholly clear neighbours."""
        land, times = _without_cloud(values, clear, 0.0)
        error = land - _mean_around(values, clear >= WHOLLY)
        chosen = np.isfinite(error) & (clear >= _LEAST_SEEN) & (clear < WHOLLY)
        e, t = error[core][chosen[core]], times[core][chosen[core]]
        powers = (e * 0 + 1, t**2, t**4, e * t, e * e, e * t**3, e * e * t**2)
        self._sums += [float(power.sum()) for power in powers]

    def told(self, found: MaskedLst) -> MaskedLst:
        """Estimate how well clouds are known; the error variance grows with that factor."""
        count, t2, t4, et, ee, et3, eett = self._sums.tolist()
        if count < _LEAST_COMPARED:
            return found
        edge = et / t2
        squares = ee - 2 * edge * et + edge**2 * t2
        weighted = eett - 2 * edge * et3 + edge**2 * t4
        spread = count * t4 - t2**2
        cloud = (count * weighted - t2 * squares) / spread if spread > 0 else math.inf
        cloud = math.sqrt(max(cloud, _LEAST_CLOUD**2))
        land = math.sqrt(max((squares - cloud**2 * t2) / count, _LEAST_LAND**2))
        return replace(found, edge=edge, cloud=cloud, least=cloud / (cloud + land))


def _mean_around(values: Plane, chosen: NDArray[np.bool_]) -> Plane:
    """Average the chosen values around each pixel, NaN where they are too few."""
    counting = chosen & np.isfinite(values)
    count = _around(counting.astype(np.float64))
    total = _around(np.where(counting, values, 0.0))
    return np.where(count > _LEAST_AROUND - 0.5, total / np.maximum(count, 1.0), np.nan)


def _around(plane: Plane) -> Plane:
    ones = [1.0] * (2 * AROUND + 1)
    return correlate(correlate(plane, ones, 0, "constant"), ones, 1, "constant")


def _contrast(moments: Plane, compared: int) -> tuple[float, Reason]:
    """Fit differences by the hidden share, and tell whether there are any."""
    squares, product, hidden = moments.tolist()
    if compared < _LEAST_COMPARED:
        return math.nan, "untold"
    contrast = product / hidden
    left = max(0.0, squares - contrast * product)
    error = math.sqrt(left / (compared - 1) / hidden)
    if abs(contrast) > max(_ALIKE, _SURE * error):
        return contrast, "cloudy"
    return contrast, "alike" if error <= _TELLING else "untold"
