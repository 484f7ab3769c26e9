"""Scores of structure, texture and edges, over valid pixels only."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.smoothing import gaussian_mean

SSIM_SIGMA: Final = 1.5
"""Of SSIM's Gaussian window, fine pixels; 11 × 11 pixels as in Wang et al., TIP 2004."""

DETAIL_SIGMA: Final = 2.0
"""Detail is the difference from a Gaussian mean with this standard deviation, fine pixels."""

EDGE_SHARE: Final = 0.1
"""Share of the pixels, those with the truth's strongest gradients, that count as edges."""

_SSIM_RADIUS = 5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2  # of the squared data range

Plane = NDArray[np.float64]


def ssim(fine: Plane, true: Plane, valid: NDArray[np.bool_]) -> float:
    """Average the structural similarity over all valid pixels.

    Wang, Bovik, Sheikh & Simoncelli, IEEE TIP 13(4), 2004, on kelvin. Local moments are means over
    the valid pixels under the window; the data range is the truth's maximum minus its minimum.
    NaN where the truth does not vary.
    """
    span = float(np.ptp(true[valid])) if valid.any() else 0.0
    if span == 0:
        return math.nan
    centre = float(true[valid].mean())  # moments of small numbers keep their digits
    x, y = fine - centre, true - centre
    mean_x, mean_y, square_x, square_y, product = (
        gaussian_mean(np.where(valid, plane, np.nan), SSIM_SIGMA, radius=_SSIM_RADIUS)
        for plane in (x, y, x * x, y * y, x * y)
    )
    spread = square_x - mean_x**2 + square_y - mean_y**2
    shared = product - mean_x * mean_y
    mean_x, mean_y = mean_x + centre, mean_y + centre
    c1, c2 = _SSIM_C1 * span**2, _SSIM_C2 * span**2
    level = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((level * (2 * shared + c2) / (spread + c2))[valid].mean())


def texture(fine: Plane, true: Plane, valid: NDArray[np.bool_]) -> float:
    """Divide the standard deviation of the prediction's detail by that of the truth's.

    NaN where the truth does not vary.
    """
    if not valid.any() or np.ptp(true[valid]) == 0:
        return math.nan
    spread, true_spread = (
        float((plane - gaussian_mean(np.where(valid, plane, np.nan), DETAIL_SIGMA))[valid].std())
        for plane in (fine, true)
    )
    return spread / true_spread


def edges(fine: Plane, true: Plane) -> tuple[float, float]:
    """Compare gradients.

    Returns:
        The correlation of the gradients' magnitudes, and the RMSE in kelvin on the pixels where
        the truth's are strongest.
    """
    slopes, true_slopes = gradient_magnitude(fine), gradient_magnitude(true)
    error = fine - true
    known = np.isfinite(slopes) & np.isfinite(true_slopes) & np.isfinite(error)
    if not known.any():
        return math.nan, math.nan
    strong = known & (true_slopes >= np.quantile(true_slopes[known], 1 - EDGE_SHARE))
    rmse = math.sqrt(float((error[strong] ** 2).mean()))
    return correlation(slopes[known], true_slopes[known]), rmse


def gradient_magnitude(plane: Plane) -> Plane:
    """Central differences in kelvin a pixel; NaN where one of the four neighbours is missing."""
    magnitude = np.full(plane.shape, np.nan)
    rows = (plane[2:, 1:-1] - plane[:-2, 1:-1]) / 2
    columns = (plane[1:-1, 2:] - plane[1:-1, :-2]) / 2
    magnitude[1:-1, 1:-1] = np.hypot(rows, columns)
    return magnitude


def correlation(first: Plane, second: Plane) -> float:
    """Pearson's; NaN for fewer than two values or where one side does not vary."""
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])
