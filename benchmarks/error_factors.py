"""Measuring the factors of ``groklst_cli/geo/error_model.py`` where the truth is known."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize

from groklst_cli.geo.error_model import Factors, Terms

DUE: Final = {1.0: 0.6827, 1.96: 0.95}
"""Share that lies within so many standard deviations."""

_ALLOWED: Final = {1.0: 0.04, 1.96: 0.025}
_FREEDOM: Final = 6.0  # of Student's t: errors have heavier tails than a normal law
_START: Final = (0.7, 0.15, 0.08, 0.5, 10_000.0)
_WIDTHS: Final = np.exp(np.arange(-0.6, 0.6, 0.005))


@dataclass(frozen=True, eq=False)
class Pixels:
    """Some fine pixels of one result.

    Attributes:
        name: The scene's.
        scale: Fine pixels along a coarse one.
        error: Result less truth, kelvin, ``(N,)``.
        terms: What their variance is made of, ``(N,)`` each.
    """

    name: str
    scale: int
    error: np.ndarray
    terms: Terms

    @property
    def place(self) -> str:
        """What dates of one place have in common."""
        return self.name.split("_")[0]

    def deviation(self, factors: Factors) -> np.ndarray:
        """Return the standard deviation, kelvin."""
        return np.sqrt(factors.variance(self.terms))

    def within(self, factors: Factors, deviations: float) -> float:
        """Return the share of errors within so many standard deviations."""
        return float((np.abs(self.error) < deviations * self.deviation(factors)).mean())


def measured(results: Sequence[Pixels], scored: Sequence[Pixels]) -> Factors:
    """Measure the factors; a result counts as much as any other.

    Args:
        results: What their ratios are taken from.
        scored: Those of them that shares are to be right for.
    """

    def unlikely(logarithms: np.ndarray) -> float:
        factors = Factors(*np.exp(logarithms).tolist())
        return float(np.mean([_unlikely(part, factors) for part in results]))

    found = minimize(unlikely, np.log(_START), method="L-BFGS-B")
    factors = Factors(*np.exp(found.x).tolist())
    width = min(_WIDTHS.tolist(), key=lambda width: _amiss(scored, factors, width))
    return _widened(factors, width)


def _unlikely(part: Pixels, factors: Factors) -> float:
    """Return the mean negative logarithm of Student's density, less a constant."""
    variance = factors.variance(part.terms)
    tails = (_FREEDOM + 1) / 2 * np.log1p(part.error**2 / variance / _FREEDOM)
    return float((np.log(variance) / 2 + tails).mean())


def _amiss(parts: Sequence[Pixels], factors: Factors, width: float) -> float:
    wide = _widened(factors, width)
    return sum(
        float((np.mean([part.within(wide, by) for part in parts]) - DUE[by]) / _ALLOWED[by]) ** 2
        for by in DUE
    )


def _widened(factors: Factors, width: float) -> Factors:
    *energies, few = astuple(factors)
    return Factors(*(width**2 * energy for energy in energies), few)
