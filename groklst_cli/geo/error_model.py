"""The uncertainty of fine pixels: where the errors of a result are, and how large they are.

Errors are largest at edges, of fields and coasts, and where the method added much detail. The share
of the detail that is wrong is estimated at the coarse scale, as the share of the LST's detail that
guidance left unexplained. What was left unexplained around a place is a term of its own. Where a
method added almost no detail it only interpolated, and the LST's own detail predicts the error.

The variance is a sum of these terms. Its factors were measured against truth on real scenes, by
maximum likelihood with heavy tails (Student's t of six degrees of freedom, each scene counting as
much as any other), and then scaled so that 68 and 95 % lie within 1 and 1.96 standard deviations as
nearly as both can. The texture of guides was tried as another term and added nothing to the
result's own. ``python benchmarks/coverage.py SCENES`` tests each scene with factors that were
measured on all other places: over nine scenes at ×2, ×4 and ×8, 70.0 % of the truth lies within
one standard deviation and 92.7 % within 1.96, and deviation and size of error correlate by 0.349
(median). The terms themselves were chosen on these same scenes.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.filters import correlate
from groklst_cli.geo.smoothing import gaussian_mean

Plane = NDArray[np.float64]

LEAST: Final = 0.02
"""Smallest standard deviation of a fine pixel, kelvin."""

_LEAST_ENERGY: Final = 1e-6
_PER_OCTAVE: Final = 0.52  # of the LST's detail, for each halving of the pixel
_INTERPOLATED: Final = 0.05
_AROUND: Final = 1.5  # coarse pixels
_FAR_AROUND: Final = 3.0
_THREE: Final = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class CoarseTerms:
    """What the coarse scale tells about errors at the fine scale.

    Attributes:
        share: Of the LST's coarse detail that the method left unexplained, 0 to 1.
        left: Energy of the unexplained part around a coarse pixel, times the scale, square kelvin.
        expected: Energy below the coarse scale that the LST's own detail predicts.
        interpolated: Certainty that the method only interpolated there, 0 to 1.
    """

    share: float
    left: Plane
    expected: Plane
    interpolated: Plane

    @classmethod
    def of(cls, lst: Plane, residual: Plane, detail: Plane, scale: int) -> Self:
        """Measure a result at the coarse scale.

        Args:
            lst: ``(h, w)``, kelvin, NaN where nodata; the other two likewise.
            residual: What the method left of it before conserving.
            detail: Mean square, over a coarse pixel, of the result's detail below the coarse scale.
            scale: Fine pixels along a coarse pixel.
        """
        known = (lst - gaussian_mean(lst, 1.0)) ** 2
        unknown = (residual - gaussian_mean(residual, 1.0)) ** 2
        below = (_PER_OCTAVE * math.log2(scale)) ** 2
        rich = _near(detail, _FAR_AROUND) / (below * _near(known, _FAR_AROUND))
        return cls(
            share=min(1.0, _mean(unknown) / max(_mean(known), _LEAST_ENERGY)),
            left=scale * _near(unknown, _AROUND),
            expected=below * 0.5 * (_near(known, _AROUND) + _mean(known)),
            interpolated=1 / (1 + (rich / _INTERPOLATED) ** 4),
        )


@dataclass(frozen=True)
class Terms:
    """Energies that the variance of fine pixels is made of, ``(H, W)`` each, square kelvin.

    Attributes:
        edges: Roughness of the result, times the unexplained share.
        put_in: Square of the detail that the method added, times that share.
        left: As in ``CoarseTerms``; the other two likewise.
        expected: See there.
        interpolated: See there; no energy.
        means: Variance of coarse means, or one number for all.
        pixels: Coarse pixels of the scene that hold a value.
    """

    edges: Plane
    put_in: Plane
    left: Plane
    expected: Plane
    interpolated: Plane
    means: Plane | float
    pixels: int


@dataclass(frozen=True)
class Factors:
    """How much each term counts.

    Attributes:
        edges: Of ``Terms.edges``.
        put_in: Of ``Terms.put_in``.
        left: Of ``Terms.left``.
        expected: Of ``Terms.expected``, where a method only interpolated.
        few: Number of coarse pixels at which the first three terms count twice: a method that is
            fitted to few pixels has smaller residuals on them than elsewhere.
    """

    edges: float
    put_in: float
    left: float
    expected: float
    few: float

    def variance(self, terms: Terms) -> Plane:
        """Sum up, ``(H, W)`` in square kelvin."""
        seen = self.edges * terms.edges + self.put_in * terms.put_in + self.left * terms.left
        seen *= 1 + math.sqrt(self.few / max(terms.pixels, 1))
        sure = terms.interpolated
        below = (1 - sure) * seen + sure * self.expected * terms.expected
        return np.asarray(LEAST**2 + below + terms.means)


MEASURED: Final = Factors(edges=0.969, put_in=0.194, left=0.0987, expected=0.617, few=18_000)
"""Fitted to results of the default on nine real scenes at ×2, ×4 and ×8, and to interpolations."""

DOUBTED: Final = 2.2
"""Factor on the variance of coarse values, which is computed as if noise and point spread were
known, although both are estimates."""


def roughness(fine: Plane) -> Plane:
    """Compute, over 3 × 3 pixels, the mean square of each pixel's difference from its local mean.

    Gaps do not count and stay gaps. A pixel depends only on the two rows and columns on each side
    of it, to the last bit.
    """
    return _mean_of_nine((fine - _mean_of_nine(fine)) ** 2)


def _mean_of_nine(plane: Plane) -> Plane:
    known = np.isfinite(plane)
    if known.all():
        return _sum_of_nine(plane) / 9.0
    count = np.maximum(_sum_of_nine(known.astype(np.float64)), 1.0)
    return np.where(known, _sum_of_nine(np.where(known, plane, 0.0)) / count, np.nan)


def _sum_of_nine(plane: Plane) -> Plane:
    return correlate(correlate(plane, _THREE, 0), _THREE, 1)


def _near(energy: Plane, sigma: float) -> Plane:
    return np.maximum(gaussian_mean(energy, sigma), _LEAST_ENERGY)


def _mean(values: Plane) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0
