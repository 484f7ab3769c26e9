"""What masks leave of a coarse LST: which pixels are known, and which values count.

A coarse pixel is known if enough of it is clear. That a known pixel is clear in part does not tell
whether its value is of the clear part alone: a sensor sees the cloud as well, while a product may
have left it out. The scene tells: along the edges of clouds, values are compared with those of
wholly clear neighbours. Where they differ by what is hidden, they are of land and cloud, and do
not count; else each counts with the share of it that is clear.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.filters import correlate
from groklst_cli.geo.masks import MaskFile

WHOLLY: Final = 0.999
"""Share from which on a coarse pixel is wholly clear, but for rounding."""

HALF: Final = 0.5
"""Share from which on a fine pixel is clear, where a mask is finer than the fine grid."""

_AROUND: Final = 2  # coarse pixels around one that it is compared with
_LEAST_AROUND: Final = 3  # of them are wholly clear
_LEAST_COMPARED: Final = 8
_ALIKE: Final = 1.0  # kelvin that values may differ by if all of a pixel were hidden
_SURE: Final = 2.0  # standard errors
_TELLING: Final = 3.0  # kelvin; with a larger standard error nothing can be told
_ENOUGH: Final = 0.1  # of the known pixels are wholly clear; with fewer the others are needed
_FEW: Final = 64

Plane = NDArray[np.float64]
ReadRows = Callable[[slice], NDArray[np.float32]]

Reason = Literal["alike", "cloudy", "needed", "untold"]
"""What was found of values of partly clear pixels: they are like those of clear ones; they are of
the cloud as well; there is little else to go by; or nothing tells."""

_WORDS: Final = {
    "alike": "their values are like those of clear neighbours, and count with their clear share",
    "needed": "there is little else to go by, so their values count with their clear share",
    "cloudy": "their values are of the cloud as well ({contrast:+.1f} K if all is hidden), so "
    "they do not count, and their clear part comes from guides and clear neighbours",
    "untold": "nothing tells whether their values are of the cloud as well, so they do not count, "
    "and their clear part comes from guides and clear neighbours",
}


@dataclass(frozen=True)
class Masking:
    """Which masks a scene has and what is made of them.

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
    """What masks leave of an LST; plain numbers, so that it travels to other processes.

    Attributes:
        known: Coarse pixels whose value is known.
        wholly: Those of them that are wholly clear.
        mean: Mean of the values that count, kelvin.
        share: Of the area of the LST's pixels with a value that is clear.
        contrast: By how much values differ from wholly clear neighbours for a pixel that is hidden
            as a whole, kelvin; NaN if there is nothing to compare.
        reason: Why the values of partly clear pixels count, or do not.
    """

    known: int
    wholly: int
    mean: float
    share: float
    contrast: float
    reason: Reason

    @property
    def partly(self) -> int:
        """Known coarse pixels that are clear in part."""
        return self.known - self.wholly

    @property
    def counting(self) -> bool:
        """Whether the values of partly clear pixels count."""
        return self.reason in ("alike", "needed")

    def explain(self) -> list[str]:
        """Say what is assumed, for people."""
        lines = [f"mask: {self.share:.1%} of the LST is clear"]
        if self.partly:
            words = _WORDS[self.reason].format(contrast=self.contrast)
            lines.append(f"mask: {self.partly} coarse pixels are clear in part; {words}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "clear_share": round(self.share, 4),
            "partly_clear_pixels": self.partly,
            "partly_clear_values": self.reason,
            "contrast": None if math.isnan(self.contrast) else round(self.contrast, 2),
        }


def look_at(
    chunks: Iterable[slice], height: int, lst: ReadRows, shares: ReadRows, min_clear: float
) -> MaskedLst:
    """Find out what masks leave of an LST, in one streaming pass.

    Args:
        chunks: Rows that follow each other and make up the whole.
        height: Of the LST.
        lst: Reads rows of it, kelvin, NaN where there is no value.
        shares: Reads the share of each pixel that is clear.
        min_clear: Share from which on a pixel is known.
    """
    pixels, clear_area, counted = 0, 0.0, 0
    known, wholly = _Count(), _Count()
    moments = np.zeros(3)
    for rows in chunks:
        around = slice(max(0, rows.start - _AROUND), min(height, rows.stop + _AROUND))
        core = slice(rows.start - around.start, rows.stop - around.start)
        values, clear = lst(around).astype(np.float64), shares(around).astype(np.float64)
        differences, hidden = _beside_clear(values, clear, core)
        moments += differences @ differences, differences @ hidden, hidden @ hidden
        counted += len(hidden)
        values, clear = values[core], clear[core]
        there = np.isfinite(values)
        pixels += int(there.sum())
        clear_area += float(clear[there].sum())
        enough = there & (clear >= min_clear)
        known.add(values[enough])
        wholly.add(values[enough & (clear >= WHOLLY)])
    contrast, reason = _contrast(moments, counted)
    if reason != "alike" and wholly.pixels < max(_FEW, _ENOUGH * known.pixels):
        reason = "needed"
    counting = known if reason in ("alike", "needed") else wholly
    share = clear_area / max(1, pixels)
    return MaskedLst(known.pixels, wholly.pixels, counting.mean, share, contrast, reason)


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
        By how much their values differ, kelvin, and the share of them that is hidden.
    """
    there = np.isfinite(values)
    whole = there & (clear >= WHOLLY)
    count = _around(whole.astype(np.float64))
    mean = _around(np.where(whole, values, 0.0)) / np.maximum(count, 1.0)
    partly = there & (clear > 0) & (clear < WHOLLY) & (count > _LEAST_AROUND - 0.5)
    chosen = partly[core]
    return (values - mean)[core][chosen], (1 - clear)[core][chosen]


def _around(plane: Plane) -> Plane:
    ones = [1.0] * (2 * _AROUND + 1)
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
