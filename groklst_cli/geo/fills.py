"""Fill values that nobody declared: isolated values at an end of the range that many pixels share.

What is measured has neighbours: between the least value and the next there is about as much room
as between others. A fill stands alone. Some numbers are used as fills so often that one pixel of
them, well apart from all others, is enough.
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
"""No physical quantity of an LST or a guide reaches it."""

_SHARED: Final = 0.02
_LEAST_PIXELS: Final = 4
_LEAST_GAP: Final = 2.0  # kelvin, of 0
_WIDE_GAP: Final = 30.0  # kelvin, of any other value: a flat lake is not so far from its shore


@dataclass(frozen=True)
class Fill:
    """A value at an end of the range that stands alone.

    Attributes:
        end: Which end.
        value: The value.
        share: Which share of the valid pixels has it.
        apart: How far it lies from the next value, standard deviations of the others; infinite
            where the others are all one.
        is_sentinel: Whether it is one of the numbers that files use as fills.
        others: The range of the other values, in words.
    """

    end: End
    value: float
    share: float
    apart: float
    is_sentinel: bool
    others: str


def isolated(summary: ValueSummary) -> list[Fill]:
    """List what stands at the ends of a range, the one that is farther from the others first."""
    ends: tuple[End, End] = "low", "high"
    found = [_at(summary, end) for end in ends if summary.low < summary.high]
    return sorted(found, key=lambda fill: (fill.is_sentinel, fill.apart), reverse=True)


def fill_of_lst(summary: ValueSummary) -> Fill | None:
    """Find the fill value of an LST, if there is one.

    A sentinel counts from one standard deviation on. Any other value must be shared by 2 % of the
    pixels. 0 must then lie one standard deviation and 2 K from the next, others two and 30 K: fills
    that were scaled with the values are such, as 149 K of Landsat's 0 or 1310.7 of MODIS's 65535.
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
