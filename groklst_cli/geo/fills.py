"""Undeclared fill values: isolated values at an end of the range that many pixels share.

Measured values have neighbours: the smallest value is about as far from the next as other values
are. A fill value is isolated. Some numbers are so common as fill values that a single pixel, far
from all others, is enough.
"""

from dataclasses import dataclass
from typing import Final

from groklst_cli.geo.summary import End, ValueSummary

SENTINELS: Final = (
    *(-99.0, -999.0, -9999.0, -99999.0, -32768.0, -32767.0, -3000.0, -28672.0),
    *(9999.0, 32767.0, 32766.0, 65535.0, -2147483648.0, 2147483647.0, 4294967295.0),
)
"""Values that files use for "nothing was measured here" (besides 0 and what is beyond 1e9)."""

_IMPOSSIBLE: Final = 1e9
"""Larger than any physical quantity of an LST or a guide."""

_SHARED: Final = 0.02
_LEAST_PIXELS: Final = 4
_LEAST_GAP: Final = 2.0  # kelvin, of 0
_WIDE_GAP: Final = (
    30.0  # kelvin, for any other value: a lake of one temperature is less far from its shore
)


@dataclass(frozen=True)
class Fill:
    """An isolated value at an end of the range.

    Attributes:
        end: Which end.
        value: The value.
        share: Share of the valid pixels that have it.
        apart: Distance from the next value, in standard deviations of the other values; infinite if
            these are all equal.
        is_sentinel: Whether it is a number that files commonly use as fill value.
        others: The range of the other values, in words.
    """

    end: End
    value: float
    share: float
    apart: float
    is_sentinel: bool
    others: str


def isolated(summary: ValueSummary) -> list[Fill]:
    """List the values at the ends of a range, the more isolated one first."""
    ends: tuple[End, End] = "low", "high"
    found = [_at(summary, end) for end in ends if summary.low < summary.high]
    return sorted(found, key=lambda fill: (fill.is_sentinel, fill.apart), reverse=True)


def fill_of_lst(summary: ValueSummary) -> Fill | None:
    """Find the fill value of an LST, if there is one.

    A common fill value must be at least one standard deviation from the next value. Any other value
    must be shared by 2 % of the pixels. Then 0 must be one standard deviation and 2 K from the next
    value, and other values two and 30 K. Those are fill values that were scaled with the values,
    such as 149 K from Landsat's 0 or 1310.7 from MODIS's 65535.
    """
    for fill in isolated(summary):
        if fill.is_sentinel and fill.apart > 1:
            return fill
        shared = fill.share >= max(_SHARED, _LEAST_PIXELS / summary.count)
        spreads, kelvin = (1, _LEAST_GAP) if fill.value == 0 else (2, _WIDE_GAP)
        apart = summary.gap_at(fill.end) > kelvin and fill.apart > spreads
        if shared and apart and summary.spread:
            return fill
    return None


def _at(summary: ValueSummary, end: End) -> Fill:
    value, gap, spread = summary.value_at(end), summary.gap_at(end), summary.spread
    apart = gap / spread if spread else float("inf")
    known = value in SENTINELS or abs(value) >= _IMPOSSIBLE
    low = summary.next_low if end == "low" else summary.low
    high = summary.next_high if end == "high" else summary.high
    others = f"{low:.6g} to {high:.6g}"
    return Fill(end, value, summary.share_at(end), apart, known, others)
