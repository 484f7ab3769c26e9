"""Area-to-point kriging on a grid: a fine field whose means over coarse pixels are given.

The temperature of points is taken as a stationary field with an exponential covariance and an
unknown mean. On a grid that is mirrored at its edges the kriging system is diagonal in cosines, so
kriging is one linear filter for each phase of a coarse pixel; the filters fall off within a few
coarse pixels for every range of the covariance, because near pixels screen far ones. Missing coarse
pixels first get their own kriging prediction, which leaves that of all others unchanged.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor
from torch.nn import functional

RANGES: Final = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Ranges that are tried, coarse pixels; beyond, prediction does not change any more."""

_RING: Final = 64  # coarse pixels after which the covariance repeats
_RADIUS: Final = 8
_LAGS: Final = tuple((y, x) for y in range(5) for x in range(5) if 0 < y * y + x * x <= 16)
_TOLERANCE: Final = 1e-5
_ITERATIONS: Final = 200


@dataclass(frozen=True)
class Kriging:
    """Turns coarse means into fine values.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        length: Range ``a`` of the points' covariance ``exp(-distance / a)``, coarse pixels.
    """

    scale: int
    length: float

    @classmethod
    def deconvolved(cls, scale: int, coarse: NDArray[np.float64]) -> Self:
        """Find the points' covariance whose means over coarse pixels vary as those given.

        Args:
            scale: Fine pixels along a coarse pixel.
            coarse: ``(H, W)``, NaN where missing.
        """
        found = [(_variogram(coarse, lag), lag) for lag in _LAGS]
        lags = [(value, count, lag) for (value, count), lag in found if count]
        if not lags:
            return cls(scale, RANGES[-1])
        observed, counts = (np.array([entry[i] for entry in lags]) for i in (0, 1))
        weights = counts / np.array([y * y + x * x for _, _, (y, x) in lags])

        def misfit(length: float) -> float:
            blocks = cls(scale, length)._blocks
            model = np.array([blocks[0, 0] - blocks[lag] for _, _, lag in lags])
            sill = (weights * model * observed).sum() / (weights * model**2).sum()
            return float((weights * (observed - sill * model) ** 2).sum())

        return cls(scale, min(RANGES, key=misfit))

    def fill(self, coarse: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict missing coarse means from the others, by conjugate gradients.

        Args:
            coarse: ``(H, W)``, NaN where missing; at least one value is not.
        """
        missing = np.isnan(coarse)
        if not missing.any():
            return coarse
        level = float(np.nanmean(coarse))
        known = np.where(missing, 0.0, coarse - level)
        precision = self._precision(coarse.shape)

        def apply(values: NDArray[np.float64]) -> NDArray[np.float64]:
            field = np.zeros(coarse.shape)
            field[missing] = values.ravel()
            return _filtered(field, precision)[missing]

        count = int(missing.sum())
        system = LinearOperator((count, count), matvec=apply, dtype=np.float64)
        target = -_filtered(known, precision)[missing]
        solution, _ = cg(system, target, rtol=_TOLERANCE, maxiter=_ITERATIONS)
        filled = coarse.copy()
        filled[missing] = solution + level
        return filled

    def predict(self, coarse: Tensor, rows: slice, columns: slice) -> Tensor:
        """Compute a part of the fine field.

        Args:
            coarse: The scene's means ``(H, W)`` without gaps.
            rows: Coarse rows of the part.
            columns: Coarse columns of the part.

        Returns:
            ``(rows · scale, columns · scale)``.
        """
        down, across = (
            _mirrored(part.start - _RADIUS, part.stop + _RADIUS, size)
            for part, size in zip((rows, columns), coarse.shape, strict=True)
        )
        around = coarse[down.to(coarse.device)][:, across.to(coarse.device)][None, None]
        phases = functional.conv2d(around, self._filters.to(around)[:, None])
        return functional.pixel_shuffle(phases, self.scale)[0, 0]

    @cached_property
    def _filters(self) -> Tensor:
        """Weights of the coarse pixels around for each phase ``(scale², taps, taps)``."""
        spectra = np.fft.fft2(self._points)
        spectra /= np.fft.fft2(self._blocks)
        spectra[..., 0, 0] = 1  # the mean is unknown: a constant is kept
        ring = np.roll(np.fft.ifft2(spectra).real, (_RADIUS, _RADIUS), axis=(-2, -1))
        filters = ring[..., : 2 * _RADIUS + 1, : 2 * _RADIUS + 1]
        filters /= filters.sum(axis=(-2, -1), keepdims=True)
        return torch.from_numpy(filters.reshape(-1, *filters.shape[-2:]).copy())

    @cached_property
    def _points(self) -> NDArray[np.float64]:
        """Covariance of a fine pixel of one coarse pixel with others ``(scale, scale, y, x)``."""
        size = _RING * self.scale
        steps = np.minimum(np.arange(size), size - np.arange(size)) / self.scale
        covariance = np.exp(-np.hypot(steps[:, None], steps[None, :]) / self.length)
        box = np.zeros(size)
        box[: self.scale] = 1 / self.scale
        shape = np.outer(np.fft.fft(box), np.fft.rfft(box))
        # Value at fine lag p: covariance of the pixel p after the block's first with the block.
        means = np.fft.irfft2(np.fft.rfft2(covariance) * shape, s=(size, size))
        phases = means.reshape(_RING, self.scale, _RING, self.scale).transpose(1, 3, 0, 2)
        # A block y pixels on is y pixels on from the fine pixel: turn lags round.
        turned = np.roll(phases[..., ::-1, ::-1], (1, 1), axis=(-2, -1))
        return np.ascontiguousarray(turned)

    @cached_property
    def _blocks(self) -> NDArray[np.float64]:
        """Covariance of two coarse pixels by their lag ``(y, x)``."""
        covariance: NDArray[np.float64] = self._points.mean(axis=(0, 1))
        return covariance

    def _precision(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Invert the coarse covariance on a mirrored grid, in cosines; a constant costs nothing."""
        lags = np.arange(-_RING // 2 + 1, _RING // 2)
        cosines = [np.cos(np.pi / n * np.outer(np.arange(n), lags)) for n in shape]
        spectrum = cosines[0] @ self._blocks[np.ix_(lags, lags)] @ cosines[1].T
        least = np.fft.fft2(self._blocks).real.min()  # cut off at half the ring, it may fall below
        precision: NDArray[np.float64] = 1 / np.maximum(spectrum, least)
        precision[0, 0] = 0
        return precision


def _filtered(field: NDArray[np.float64], response: NDArray[np.float64]) -> NDArray[np.float64]:
    filtered: NDArray[np.float64] = idctn(dctn(field) * response)
    return filtered


def _mirrored(start: int, stop: int, size: int) -> Tensor:
    """Number the pixels of a range that goes on, mirrored, beyond the first and last."""
    turns = torch.arange(start, stop) % (2 * size)
    return torch.minimum(turns, 2 * size - 1 - turns)


def _variogram(coarse: NDArray[np.float64], lag: tuple[int, int]) -> tuple[float, int]:
    """Return half the mean squared difference at a lag, both ways, and the number of pairs."""
    y, x = lag
    height, width = (max(size, step) for size, step in zip(coarse.shape, lag, strict=True))
    pairs = [coarse[y:, x:] - coarse[: height - y, : width - x]]
    if y and x:
        pairs.append(coarse[y:, : width - x] - coarse[: height - y, x:])
    squares = np.concatenate([part[np.isfinite(part)] ** 2 for part in pairs])
    return (float(squares.mean()) / 2, squares.size) if squares.size else (0.0, 0)
