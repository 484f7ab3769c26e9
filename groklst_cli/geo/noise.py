"""The noise model: how much of a method's coarse residual is noise, and how far values are kept.

The residual is modelled as a smooth field ``u`` of the land, as the sensor sees it, and white noise
``e`` of the sensor: ``r = A G u + e`` with the Gaussian point spread ``G`` and the mean ``A`` over
a coarse pixel. Length and strength of both follow from the power of windows at each frequency, by
their likelihood (Whittle, "Estimation and information in stationary time series", Arkiv för
Matematik 2, 1953). Lengths are fine pixels throughout, ``S`` is the land's share of the power.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

REACH: Final = 5
"""Coarse pixels around one that decide how far its value is kept."""

_LENGTHS: Final = 2.0 ** np.arange(1, 7.5, 0.5)
_RATIOS: Final = 2.0 ** np.arange(-12, 4)
_STEPS: Final = 8  # along a coarse pixel at most: finer detail does not change its mean
_RING: Final = 32  # coarse pixels over which the filter is laid out
_ROUGHER: Final = 4.0  # how much whiter a residual may be than the land
_UNSURE: Final = 0.1
_LEAST_POWER: Final = 1e-6  # square kelvin; below it there is only rounding


@dataclass(frozen=True)
class Belief:
    """How far coarse values are kept, as plain numbers that can be sent and compared.

    Attributes:
        kernel: Weights of a coarse pixel's residual and those around it, ``2 · REACH + 1`` along
            each side; they sum to 1.
        noise: Standard deviation of the noise that is used, kelvin.
        found: Standard deviation of the whole white part of the residual, kelvin.
        doubt: Remaining standard deviation of a coarse value, given its neighbours, kelvin.
        departure: Root mean square difference of coarse means from the LST, kelvin.
        spread: The whole point spread, coarse pixels; 0 if it has no effect.
    """

    kernel: tuple[tuple[float, ...], ...]
    noise: float
    found: float
    doubt: float
    departure: float
    spread: float


@dataclass(frozen=True)
class Covariance:
    """The model of windows of a residual.

    Attributes:
        length: Of the land's field, fine pixels.
        ratio: The noise's variance over the field's.
        variance: The field's, square kelvin.
    """

    length: float
    ratio: float
    variance: float

    @property
    def noise(self) -> float:
        """Standard deviation of the noise, kelvin."""
        return math.sqrt(self.ratio * self.variance)


@dataclass(frozen=True, eq=False)
class Spectra:
    """Power of square windows of coarse pixels, at each frequency.

    Attributes:
        side: Of a window, coarse pixels.
        scale: Fine pixels along a coarse pixel.
        spread: Standard deviation of the point spread between fine and coarse, fine pixels.
    """

    side: int
    scale: int
    spread: float

    def power(self, windows: Sequence[Plane]) -> Plane:
        """Average the squares of the cosine transforms of windows without their means.

        Args:
            windows: ``(side, side)`` each, without gaps.

        Returns:
            ``(side² - 1,)``, square kelvin; the mean's own frequency is left out.
        """
        waves = [self._cosines @ (w - w.mean()) @ self._cosines.T for w in windows]
        return np.asarray(np.mean(np.square(waves), axis=0).ravel()[1:])

    def likeliest(self, power: Plane, noise: float | None = None) -> Covariance | None:
        """Fit the model to a power by maximum likelihood.

        Args:
            power: As ``power`` returns it.
            noise: Standard deviation of the noise if it is known, kelvin, above 0.

        Returns:
            None if the residual is only rounding.
        """
        if not float(power.mean()) > _LEAST_POWER:
            return None
        best, least = None, math.inf
        for length in _LENGTHS.tolist():
            shape = self.land(length)[:, None] + _RATIOS
            ratio = power[:, None] / shape
            variance = ratio.mean(axis=0) if noise is None else noise**2 / _RATIOS
            unlikely = np.log(shape).mean(axis=0) + np.log(variance) + ratio.mean(axis=0) / variance
            place = int(np.argmin(unlikely))
            if unlikely[place] < least:
                least = float(unlikely[place])
                best = Covariance(length, float(_RATIOS[place]), float(variance[place]))
        return best

    def land(self, length: float) -> Plane:
        """Compute ``S`` of a field of unit variance at the frequencies of ``power``."""
        ring = seen_power(self.side, self.scale, length, self.spread)
        return ring[: self.side, : self.side].ravel()[1:]

    def believe(
        self, found: Covariance, ratio: float, unrestored: Plane, *, spread: float
    ) -> Belief:
        """Compute how far coarse values are kept.

        Args:
            found: The model of the residual.
            ratio: Variance of the noise that is used over that of the field, above 0.
            unrestored: Power of what conserving would restore.
            spread: The whole point spread, coarse pixels.
        """
        land = self.land(found.length)
        lost = ratio / (land + ratio)
        return Belief(
            kernel(self.scale, found.length, self.spread, ratio),
            noise=math.sqrt(ratio * found.variance),
            found=found.noise,
            doubt=math.sqrt(found.variance * float((land * lost).mean())),
            departure=math.sqrt(float((lost**2 * unrestored).mean())),
            spread=spread,
        )

    @cached_property
    def _cosines(self) -> Plane:
        """The orthonormal cosine transform (DCT-II) as a matrix."""
        place, wave = np.arange(self.side) + 0.5, np.arange(self.side)[:, None]
        rows = np.cos(np.pi * wave * place / self.side) * math.sqrt(2 / self.side)
        rows[0] /= math.sqrt(2)
        return np.asarray(rows)


@dataclass(frozen=True)
class Noise:
    """The share of the white part of a residual that is attributed to the sensor.

    Attributes:
        residual: Its white part over its field's variance.
        land: The same of what the method explains: land is rough in itself.
        blurred: Share of the finest coarse detail that the point spread beyond the product's takes
            away, 0 to 1: where it takes all, what is white cannot be land.
    """

    residual: float
    land: float
    blurred: float

    @classmethod
    def of(cls, residual: Covariance, land: Covariance, beyond: float) -> Self:
        """Compare two covariances; ``beyond`` is the spread beyond the product's, coarse pixels."""
        return cls(residual.ratio, land.ratio, 1 - math.exp(-((math.pi * beyond) ** 2)))

    @property
    def believed(self) -> float:
        """Variance of the used noise over that of the field; 0 if coarse values are exact."""
        beyond_doubt = self.residual - _ROUGHER * self.land - _UNSURE
        return max(self.blurred * self.residual, beyond_doubt, 0.0)


def kernel(scale: int, length: float, spread: float, ratio: float) -> tuple[tuple[float, ...], ...]:
    """Cut the filter ``S / (S + ratio)`` to the pixels around one; its weights sum to 1."""
    land = seen_power(_RING, scale, length, spread)
    whole = np.fft.fftshift(np.fft.ifft2(land / (land + ratio)).real)
    near = whole[_RING - REACH : _RING + REACH + 1, _RING - REACH : _RING + REACH + 1]
    # the filter is symmetric, so its weights must be too, apart from rounding
    same = np.sum([np.rot90(near, turn) for turn in range(4)], axis=0)
    same = same + same.T
    return tuple(map(tuple, (same / same.sum()).tolist()))


@lru_cache(maxsize=64)
def seen_power(side: int, scale: int, length: float, spread: float) -> Plane:
    """Compute the power of a field of unit variance as the sensor sees it, with its aliases.

    Returns:
        ``(2 · side, 2 · side)``, for a ring of ``side`` coarse pixels; not to be changed.
    """
    steps = min(scale, _STEPS)
    unit, half = steps / scale, side * steps
    ring = np.pi * np.arange(2 * half) / half
    near = np.minimum(ring, 2 * np.pi - ring)
    mean = np.ones_like(ring)
    mean[1:] = np.sin(steps * ring[1:] / 2) / (steps * np.sin(ring[1:] / 2))
    seen = (mean * np.exp(-0.5 * (spread * unit * near) ** 2)) ** 2
    # The covariance is exponential: its density falls by the power 1.5. All quadrants are alike.
    first = near[: half + 1]
    inverse = 1 + (length * unit) ** 2 * (first[:, None] ** 2 + first**2)
    mirrored = np.minimum(np.arange(2 * half), 2 * half - np.arange(2 * half))
    density = (1 / (inverse * np.sqrt(inverse)))[np.ix_(mirrored, mirrored)]
    power = density / density.mean() * seen[:, None] * seen
    folded = power.reshape(steps, 2 * side, steps, 2 * side).sum(axis=(0, 2)) / steps**2
    folded.flags.writeable = False
    return np.asarray(folded)
