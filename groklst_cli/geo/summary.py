"""What is known of all values of a raster after one pass over them."""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

End = Literal["low", "high"]


@dataclass(frozen=True)
class ValueSummary:
    """What is known of all valid values of a raster, in the raster's own unit.

    Attributes:
        low: The least.
        high: The greatest.
        total: Their sum.
        count: How many there are.
        low_count: How many are the least.
        high_count: How many are the greatest.
        next_low: The least of those above ``low``; infinite where there are none.
        next_high: The greatest of those below ``high``; infinite where there are none.
        inner_total: The sum of those between ``low`` and ``high``.
        inner_squares: The sum of their squares.
    """

    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    count: int = 0
    low_count: int = 0
    high_count: int = 0
    next_low: float = math.inf
    next_high: float = -math.inf
    inner_total: float = 0.0
    inner_squares: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """Sum up values; those that are not finite do not count."""
        values = values[np.isfinite(values)]
        if not values.size:
            return cls()
        low, high = values.min(), values.max()
        inner = values[(values > low) & (values < high)]
        above = below = inner
        if not inner.size and low < high:
            above, below = values[values > low][:1], values[values < high][:1]
        return cls(
            float(low),
            float(high),
            float(values.sum(dtype=np.float64)),
            values.size,
            int(np.count_nonzero(values == low)),
            int(np.count_nonzero(values == high)),
            float(above.min(initial=math.inf)),
            float(below.max(initial=-math.inf)),
            float(inner.sum(dtype=np.float64)),
            float(np.einsum("i,i->", inner, inner, dtype=np.float64)),
        )

    @property
    def mean(self) -> float:
        """Mean of the values; NaN where there are none."""
        return self.total / self.count if self.count else math.nan

    @property
    def inner_count(self) -> int:
        """How many lie between the least and the greatest."""
        return self.count - sum(self._ends.values())

    @property
    def spread(self) -> float:
        """Standard deviation of those between the least and the greatest; 0 without any."""
        count = self.inner_count
        if not count:
            return 0.0
        mean = self.inner_total / count
        return math.sqrt(max(0.0, self.inner_squares / count - mean**2))

    def value_at(self, end: End) -> float:
        """The least or the greatest."""
        return self.low if end == "low" else self.high

    def share_at(self, end: End) -> float:
        """Which share of the values is the least, or the greatest."""
        return (self.low_count if end == "low" else self.high_count) / max(1, self.count)

    def gap_at(self, end: End) -> float:
        """How far the least, or the greatest, lies from the value next to it."""
        return self.next_low - self.low if end == "low" else self.high - self.next_high

    def __add__(self, other: "ValueSummary") -> "ValueSummary":
        if not self.count or not other.count:
            return self if self.count else other
        ends = {
            value: self._ends.get(value, 0) + other._ends.get(value, 0)
            for value in (*self._ends, *other._ends)
        }
        low, high = min(ends), max(ends)
        inner = {value: count for value, count in ends.items() if low < value < high}
        return ValueSummary(
            low,
            high,
            self.total + other.total,
            self.count + other.count,
            ends[low],
            ends[high],
            min((v for v in (*ends, self.next_low, other.next_low) if v > low), default=math.inf),
            max(
                (v for v in (*ends, self.next_high, other.next_high) if v < high), default=-math.inf
            ),
            self.inner_total + other.inner_total + sum(v * n for v, n in inner.items()),
            self.inner_squares + other.inner_squares + sum(v * v * n for v, n in inner.items()),
        )

    @property
    def _ends(self) -> dict[float, int]:
        return {self.low: self.low_count, self.high: self.high_count} if self.count else {}
