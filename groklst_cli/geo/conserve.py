"""Keeping coarse means: a smooth field that restores what a method lost, to the last hundredth.

The residual ``r`` (coarse value minus the mean of its fine pixels) becomes a cubic B-spline whose
means over the coarse pixels are exactly ``r``, so no block edge shows. The spline's coefficients
come from ``r`` by the inverse of a symmetric filter; its response falls by 0.36 a pixel, so it is
applied as a finite one and windows that overlap by ``HALO`` agree to the last bit.

Area-to-point kriging of the residual (Kyriakidis, Geographical Analysis 2004, 36(3)) differs from
this by about one per cent in RMSE on real scenes, at a far higher price.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.ndimage import correlate1d

from groklst_cli.geo.fill import fill_gaps

_FILTER_RADIUS: Final = 14  # 0.36¹⁴ < 1e-6 of the residual
_GAP_RADII: Final = (1, 2, 3)
_SUPPORT: Final = 2

HALO: Final = _FILTER_RADIUS + _GAP_RADII[-1] + _SUPPORT
"""Coarse pixels around a window on which its correction depends."""


def block_means(fine: NDArray[np.float32], scale: int) -> NDArray[np.float64]:
    """Average ``scale × scale`` blocks; the order of the sum is fixed, so bits do not vary.

    Args:
        fine: ``(rows · scale, columns · scale)``.
        scale: Fine pixels along a coarse one.

    Returns:
        ``(rows, columns)`` in double precision.
    """
    columns = fine[:, 0::scale].astype(np.float64)
    for phase in range(1, scale):
        columns += fine[:, phase::scale]
    total = columns[0::scale].copy()
    for phase in range(1, scale):
        total += columns[phase::scale]
    total /= scale * scale
    return total


def smooth_field(residual: NDArray[np.float64], scale: int) -> NDArray[np.float32]:
    """Spread a coarse residual smoothly so that its means over coarse pixels are kept.

    Args:
        residual: ``(rows, columns)``, kelvin, NaN where there is none to keep.
        scale: Fine pixels along a coarse one.

    Returns:
        ``(rows · scale, columns · scale)``; block means equal the residual within 2e-6 of its
        size. The array's edges count as the scene's (mirrored).
    """
    known = fill_gaps(residual.astype(np.float32), 0.0, _GAP_RADII).astype(np.float64)
    known = np.where(np.isnan(residual), known, residual)
    inverse, phases = _inverse_filter(scale), _phase_weights(scale)
    coefficients = known
    for axis in (0, 1):
        coefficients = correlate1d(coefficients, inverse, axis=axis, mode="reflect")
    fine_rows = _expand(coefficients, phases)
    fine: NDArray[np.float32] = _expand(fine_rows.astype(np.float32).T, phases.astype(np.float32)).T
    return fine


def conserve_rows(
    rows: Iterable[tuple[int, NDArray[np.float32]]],
    coarse: Callable[[slice], NDArray[np.float32]],
    scale: int,
    height: int,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Correct a stream of fine rows so that every coarse mean is kept.

    Args:
        rows: Consecutive ``(first coarse row, fine rows)``, kelvin.
        coarse: Returns the coarse LST of a range of rows, over the same columns, kelvin, NaN
            where nodata.
        scale: Fine pixels along a coarse one.
        height: One past the last coarse row of the stream.

    Yields:
        The same rows, later: each waits until ``HALO`` rows beyond it are known.
    """
    fine: NDArray[np.float32] | None = None
    residual: NDArray[np.float64] | None = None
    top = fine_top = 0  # coarse rows at which the residual and the fine buffer start
    for first, block in rows:
        missing = coarse(slice(first, first + len(block) // scale)) - block_means(block, scale)
        if fine is None or residual is None:
            fine, residual, top, fine_top = block, missing, first, first
        else:
            fine, residual = np.concatenate([fine, block]), np.concatenate([residual, missing])
        known = top + len(residual)
        ready = known if known == height else known - HALO
        if ready <= fine_top:
            continue
        start = max(top, fine_top - HALO)
        field = smooth_field(residual[start - top :], scale)
        part = field[(fine_top - start) * scale : (ready - start) * scale]
        yield fine_top, fine[: len(part)] + part
        fine, fine_top = fine[len(part) :], ready
        keep = max(top, fine_top - HALO)
        residual, top = residual[keep - top :], keep


def _expand(
    coefficients: NDArray[np.floating], phases: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Evaluate the spline along the first axis at every phase of every coarse pixel."""
    scale, taps = phases.shape
    padded = np.pad(coefficients, ((_SUPPORT, _SUPPORT), (0, 0)), mode="symmetric")
    count = len(coefficients)
    fine = np.empty((count, scale, coefficients.shape[1]), coefficients.dtype)
    for phase in range(scale):
        total = padded[:count] * phases[phase, 0]
        for tap in range(1, taps):
            total += padded[tap : tap + count] * phases[phase, tap]
        fine[:, phase] = total
    return fine.reshape(count * scale, -1)


@cache
def _phase_weights(scale: int) -> NDArray[np.float64]:
    """Sample the cubic B-spline: ``[phase, tap]`` weighs coefficient ``i + tap - 2``."""
    spline = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    centres = (np.arange(scale) + 0.5) / scale - 0.5
    taps = np.arange(-_SUPPORT, _SUPPORT + 1)
    weights: NDArray[np.float64] = np.nan_to_num(spline(centres[:, None] - taps[None, :]))
    return weights


@cache
def _inverse_filter(scale: int) -> NDArray[np.float64]:
    """Invert the filter that turns coefficients into block means, on a long ring."""
    length = 256
    means = _phase_weights(scale).mean(axis=0)
    ring = np.zeros(length)
    for tap, weight in zip(range(-_SUPPORT, _SUPPORT + 1), means, strict=True):
        ring[tap % length] += weight
    inverse = np.fft.ifft(1.0 / np.fft.fft(ring)).real
    return np.concatenate([inverse[-_FILTER_RADIUS:], inverse[: _FILTER_RADIUS + 1]])
