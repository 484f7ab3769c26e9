"""The standard deviation of a finished result, a few rows at a time.

If coarse means were not conserved, their differences count as well; if coarse values are noisy, so
does their remaining uncertainty.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.conserve import Conservation, block_means
from groklst_cli.geo.error_model import DOUBTED, MEASURED, CoarseTerms, Terms, roughness
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.smoothing import gaussian_mean
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.plan import Plan

Coarse = NDArray[np.float64]

ReadFine = Callable[[slice], NDArray[np.float64]]
"""Returns the fine rows over some coarse rows of the plan's strip, kelvin, NaN where nodata."""

_FINE_ROWS: Final = 512  # at once
_REACH: Final = 1  # coarse rows that contain the two fine rows around, which edges depend on


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


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished result and its inputs.

    Attributes:
        read: Reads it.
        plan: The plan.
        scene: The scene.
        evidence: The residuals, complete where coarse means were kept.
    """

    read: ReadFine
    plan: Plan
    scene: Scene
    evidence: Evidence

    def deviation_rows(self, *, cutting: bool = True) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Compute the standard deviation.

        Args:
            cutting: Whether nodata and masked pixels are set to NaN.

        Yields:
            The first coarse row and the fine rows from there, kelvin, NaN where it is cut out.
        """
        columns = self.plan.strip.columns
        for rows, terms in self.terms():
            deviation = np.sqrt(MEASURED.variance(terms)).astype(np.float32)
            if cutting:
                self.scene.cut_out(deviation, rows, columns)
            yield rows.start, deviation

    def terms(self) -> Iterator[tuple[slice, Terms]]:
        """Compute the terms of the variance.

        Yields:
            Coarse rows and the terms of their fine pixels.
        """
        measured = self._measured()
        residual = self.evidence.residual if self.evidence.complete else measured.lacking
        coarse = CoarseTerms.of(measured.lst, residual, measured.detail, self.plan.scale)
        planes = [
            np.log(_filled(plane, measured.lst))  # the logarithm keeps them positive
            for plane in (coarse.left, coarse.expected, coarse.interpolated)
        ]
        for rows in self._parts():
            left, expected, interpolated = (np.exp(self._fine(plane, rows)) for plane in planes)
            edges, added = coarse.share * self._roughness(rows), self._detail(rows)[1]
            yield (
                rows,
                Terms(
                    edges=edges,
                    put_in=coarse.share * added**2,
                    left=left,
                    expected=expected,
                    interpolated=np.minimum(interpolated, 1.0),
                    means=self._means(measured, rows),
                    pixels=self.plan.valid,
                ),
            )

    def _means(self, measured: "_Measured", rows: slice) -> Coarse | float:
        """Compute the variance of coarse means.

        If a coarse value was not restored because of its noise, the difference is not an error of
        the result; its remaining uncertainty given the neighbours is.
        """
        if self.plan.believed is not None:
            return (DOUBTED * self.plan.believed.doubt) ** 2
        if self.plan.conserve:
            return 0.0
        lacking = _filled(gaussian_mean(np.abs(measured.lacking), 0.7), measured.lst)
        return np.square(self._fine(lacking, rows), dtype=np.float64)

    def _measured(self) -> "_Measured":
        strip, scale = self.plan.strip, self.plan.scale
        detail, lacking = [], []
        lst = self.scene.read_lst(strip.rows, strip.columns).astype(np.float64)
        for rows in self._parts():
            fine, added = self._detail(rows)
            detail.append(block_means(added**2, scale))
            here = slice(rows.start - strip.rows.start, rows.stop - strip.rows.start)
            lacking.append(lst[here] - self.scene.mean - block_means(fine, scale))
        return _Measured(lst, np.concatenate(detail), np.concatenate(lacking))

    @cached_property
    def _spline(self) -> Conservation:
        return Conservation(self.plan.scale)

    def _parts(self) -> Iterator[slice]:
        rows, step = self.plan.strip.rows, max(1, _FINE_ROWS // self.plan.scale)
        for start in range(rows.start, rows.stop, step):
            yield slice(start, min(rows.stop, start + step))

    def _detail(self, rows: slice) -> tuple[Coarse, Coarse]:
        """Read fine rows minus the scene's mean, and their difference from a smooth coarse LST."""
        kept, columns, scale = self._spline, self.plan.strip.columns, self.plan.scale
        around = Strip(rows, columns).widened(kept.halo, self.scene.coarse.shape)
        lst = self.scene.read_lst(around.rows, around.columns).astype(np.float64)
        down, across = (
            slice(part.start - outer.start, part.stop - outer.start)
            for part, outer in ((rows, around.rows), (columns, around.columns))
        )
        smooth = kept.field(lst - self.scene.mean, rows=down)
        fine = self.read(rows) - self.scene.mean
        return fine, fine - smooth[:, across.start * scale : across.stop * scale]

    def _roughness(self, rows: slice) -> Coarse:
        within, scale = self.plan.strip.rows, self.plan.scale
        start = max(within.start, rows.start - _REACH)
        stop = min(within.stop, rows.stop + _REACH)
        around = roughness(self.read(slice(start, stop)) - self.scene.mean)
        return around[(rows.start - start) * scale : (rows.stop - start) * scale]

    def _fine(self, plane: Coarse, rows: slice) -> NDArray[np.float32]:
        """Bring rows of a plane over the strip smoothly to the fine scale."""
        kept, first = self._spline, self.plan.strip.rows.start
        start, stop = rows.start - first, rows.stop - first
        top, bottom = max(0, start - kept.halo), min(len(plane), stop + kept.halo)
        return kept.field(plane[top:bottom], rows=slice(start - top, stop - top))


@dataclass(frozen=True, eq=False)
class _Measured:
    """A result at the coarse scale, over the strip.

    Attributes:
        lst: Kelvin, NaN where nodata.
        detail: Mean square of its detail below the coarse scale.
        lacking: The differences of its means from the LST.
    """

    lst: Coarse
    detail: Coarse
    lacking: Coarse


def _filled(plane: Coarse, lst: Coarse) -> Coarse:
    """Give a plane its mean where it, or the LST, has gaps."""
    gaps = np.isnan(lst) | np.isnan(plane)
    return np.where(gaps, np.nanmean(plane) if (~gaps).any() else 1.0, plane)
