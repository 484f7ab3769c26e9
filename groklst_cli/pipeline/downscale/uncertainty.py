"""How far off a result may be: a standard deviation in kelvin for each pixel.

What guidance leaves unexplained of the coarse LST's detail is known: the residual before it was
restored. Below the coarse scale the same share is taken to be unexplained of the detail that the
method put in there, or that the LST's own detail lets expect, whichever is more; more of it where
there is more detail, and where the residual is larger. Its factors were measured against truth on
nine real scenes at ×2, ×4 and ×8, the same on which ``benchmarks/coverage.py`` prints what the
intervals hold; no others have tested them yet.

Where the coarse values were found to be noisy, what remains in doubt of them is added.

Networks whose checkpoint holds a factor for it answer from flips and turns instead.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from groklst_cli.geo.conserve import Conservation, block_means
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.smoothing import gaussian_mean
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.plan import Plan

Coarse = NDArray[np.float64]

_ROWS: Final = 64  # coarse rows at once
_CALIBRATION: Final = 1.62
_PER_OCTAVE: Final = 0.52  # of the LST's detail, for each halving of the pixel
_LOCAL_DETAIL: Final = 0.5
_LOCAL_RESIDUAL: Final = 0.3
_LEAST_PUT_IN: Final = 0.3


class Evidence:
    """The residual of a strip, collected while it is computed."""

    def __init__(self, strip: Strip) -> None:
        self._strip = strip
        shape = [part.stop - part.start for part in (strip.rows, strip.columns)]
        self.residual = np.full(shape, np.nan)
        self.complete = False

    def add_residual(self, rows: slice, columns: slice, values: Coarse) -> None:
        """Keep the part of a residual that lies in the strip."""
        wanted = self._strip
        top, bottom = max(rows.start, wanted.rows.start), min(rows.stop, wanted.rows.stop)
        if top >= bottom:
            return
        left = wanted.columns.start - columns.start
        width = wanted.columns.stop - wanted.columns.start
        part = values[top - rows.start : bottom - rows.start, left : left + width]
        self.residual[top - wanted.rows.start : bottom - wanted.rows.start] = part
        self.complete = bottom == wanted.rows.stop


def uncertainty_rows(
    result: Path, plan: Plan, scene: Scene, evidence: Evidence, *, cutting: bool = True
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Compute the standard deviation of a finished result from its residuals.

    Args:
        result: The finished result.
        plan: What was done.
        scene: What it was done to.
        evidence: The residuals, complete where coarse means were kept.
        cutting: Whether what is nodata or masked is cut out.

    Yields:
        The first coarse row and the fine rows from there, kelvin.
    """
    detail, lacking = _detail_energy(result, plan, scene)
    residual = evidence.residual if evidence.complete else lacking
    lst = scene.read_lst(plan.strip.rows, plan.strip.columns).astype(np.float64)
    below = deviation(lst, residual, detail, scene.scale)
    coarse = np.hypot(below, _of_the_means(plan, lacking))
    gaps = np.isnan(lst)  # or not counting
    filled = np.where(gaps, np.nanmean(coarse) if (~gaps).any() else 1.0, coarse)
    kept, s = Conservation(scene.scale), scene.scale
    for start in range(0, len(filled), _ROWS):
        stop = min(len(filled), start + _ROWS)
        top, bottom = max(0, start - kept.halo), min(len(filled), stop + kept.halo)
        fine = np.exp(kept.field(np.log(filled[top:bottom])))  # the logarithm keeps it positive
        fine = fine[(start - top) * s : (stop - top) * s]
        rows = slice(plan.strip.rows.start + start, plan.strip.rows.start + stop)
        if cutting:
            fine[scene.read_cut(rows, plan.strip.columns)] = np.nan
        yield rows.start, fine


def _of_the_means(plan: Plan, lacking: Coarse) -> Coarse:
    """Say how far off coarse means may be: by what they lack, or by what remains in doubt of them.

    Where a coarse value was not restored because it was not believed, the difference is no error of
    the result; what its neighbours leave open is.
    """
    if plan.believed is None:
        return gaussian_mean(np.abs(lacking), 0.7)
    return np.where(np.isnan(lacking), np.nan, plan.believed.doubt)


def deviation(lst: Coarse, residual: Coarse, detail: Coarse, scale: int) -> Coarse:
    """Estimate the standard deviation of a coarse pixel's fine pixels.

    Args:
        lst: ``(h, w)``, kelvin, NaN where nodata; the other two likewise.
        residual: What the method left of it before conserving.
        detail: Mean square, over a coarse pixel, of the result's detail below the coarse scale.
        scale: Fine pixels along a coarse one.

    Returns:
        ``(h, w)``, kelvin, positive.
    """
    known = (lst - gaussian_mean(lst, 1.0)) ** 2
    expected = (_PER_OCTAVE * math.log2(scale)) ** 2 * known
    put_in = _CALIBRATION**2 * detail
    if _mean(put_in) < _LEAST_PUT_IN * _mean(expected):
        # It only interpolated: that it meets the coarse means says nothing of what lies below.
        return np.asarray(np.sqrt(np.maximum(_mixed(expected, 1.5, _LOCAL_DETAIL), 1e-6)))
    unknown = (residual - gaussian_mean(residual, 1.0)) ** 2
    share = min(1.0, _mean(unknown) / max(_mean(known), 1e-12))
    energy = np.maximum(_mixed(put_in, 0.7, _LOCAL_DETAIL), _mixed(expected, 1.5, _LOCAL_DETAIL))
    where = _mixed(unknown, 1.5, _LOCAL_RESIDUAL) / max(_mean(unknown), 1e-12)
    return np.asarray(np.sqrt(np.maximum(share * energy * where, 1e-6)))


def _detail_energy(path: Path, plan: Plan, scene: Scene) -> tuple[Coarse, Coarse]:
    """Measure a finished result: its detail below the coarse scale, and what its means lack."""
    s, rows, columns = scene.scale, plan.strip.rows, plan.strip.columns
    kept = Conservation(s)
    detail, lacking = [], []
    with rasterio.open(path) as result:
        for start in range(rows.start, rows.stop, _ROWS):
            stop = min(rows.stop, start + _ROWS)
            around = Strip(slice(start, stop), columns).widened(kept.halo, scene.coarse.shape)
            lst = scene.read_lst(around.rows, around.columns).astype(np.float64)
            base = kept.field(lst - scene.mean)
            top, left = start - around.rows.start, columns.start - around.columns.start
            inside = np.s_[top : top + stop - start, left : left + columns.stop - columns.start]
            fine_inside = tuple(slice(part.start * s, part.stop * s) for part in inside)
            window = Window(0, (start - rows.start) * s, plan.grid.width, (stop - start) * s)
            fine = result.read(1, window=window, masked=True).astype(np.float64).filled(np.nan)
            fine += (CELSIUS_ZERO if result.units[0] == "degC" else 0.0) - scene.mean
            detail.append(block_means((fine - base[fine_inside]) ** 2, s))
            lacking.append(lst[inside] - scene.mean - block_means(fine, s))
    return np.concatenate(detail), np.concatenate(lacking)


def _mixed(values: Coarse, sigma: float, local: float) -> Coarse:
    """Mix the local mean with the scene's."""
    return local * np.maximum(gaussian_mean(values, sigma), 0.0) + (1 - local) * _mean(values)


def _mean(values: Coarse) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0
