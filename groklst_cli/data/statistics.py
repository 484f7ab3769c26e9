"""Mean, standard deviation and range of values that arrive in pieces."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RunningStatistics:
    """Mean and standard deviation by pairwise update (Chan, Golub & LeVeque, 1979).

    Attributes:
        count: Values so far.
        mean: Their mean.
        low: Their least.
        high: Their greatest.
    """

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, values: NDArray[np.floating]) -> None:
        """Count in the finite ones of some values."""
        known = values[np.isfinite(values)].astype(np.float64)
        if known.size == 0:
            return
        mean = float(known.mean())
        shift, total = mean - self.mean, self.count + known.size
        self._squares += float(((known - mean) ** 2).sum())
        self._squares += shift**2 * self.count * known.size / total
        self.mean += shift * known.size / total
        self.count = total
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))

    @property
    def std(self) -> float:
        """Standard deviation, dividing by the count."""
        return math.sqrt(self._squares / self.count) if self.count else math.nan

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data; without values there is only the count."""
        if self.count == 0:
            return {"count": 0}
        return {
            "count": self.count,
            "mean": self.mean,
            "std": self.std,
            "min": self.low,
            "max": self.high,
        }
