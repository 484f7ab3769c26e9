"""The grid of a raster: a CRS, an affine transform and a size."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from groklst_cli.geo.projection import NoWayError, height_units, way

_LEAST_STEP = 1e-12
_FARTHEST = 1e15
"""CRS units of a pixel and of a position beyond which the inverse transform is not reliable."""

_SHORT_STEP = 1 / 64
"""Step length in pixels; few steps of this length cross a seam, even where whole pixels all do."""

_MOST_BEND = 0.25
"""Largest distance of a step's middle from the straight line, as a share of the step; a step that
wraps bends by about a half."""

_JUMP = 20.0
"""A step that is this many times longer than usual is a jump."""

_Point = tuple[float, float]


@dataclass(frozen=True)
class Grid:
    """The position of a raster on Earth.

    Attributes:
        crs: Coordinate reference system.
        transform: From (column, row) of a pixel's corner to CRS units; may be rotated or south-up.
        height: Rows.
        width: Columns.
    """

    crs: CRS
    transform: Affine
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of the four corners, CRS units."""
        corners = [self.transform * (c, r) for c in (0, self.width) for r in (0, self.height)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Length of a pixel's column step and row step, CRS units."""
        t = self.transform
        return math.hypot(t.a, t.d), math.hypot(t.b, t.e)

    @property
    def height_units(self) -> frozenset[str]:
        """Names of the unit of heights in a CRS that has them."""
        return height_units(self.crs)

    @property
    def flaw(self) -> str | None:
        """Return why pixels have no usable position on this grid; None if they have one."""
        t = self.transform
        numbers = tuple(t)[:6]
        near = all(abs(number) < _FARTHEST for number in numbers)  # which NaN is not
        if not near or min(self.pixel_size) < _LEAST_STEP or t.is_degenerate or t.is_identity:
            shown = " ".join(f"{number:g}" for number in numbers)
            return (
                f"has no usable geotransform ({shown}); set it with: rio edit-info --transform "
                "'[dx, 0, left, 0, -dy, top]' FILE"
            )
        if self.crs.is_geographic and not self._fits_the_world():
            left, bottom, right, top = self.bounds
            return (
                f"covers {left:g} to {right:g} east and {bottom:g} to {top:g} north in a CRS of "
                "degrees, beyond the range of the earth; set the right CRS or geotransform with: "
                "rio edit-info"
            )
        return None

    def _fits_the_world(self) -> bool:
        """Return whether longitudes and latitudes are in their range, to within a pixel."""
        degrees = math.degrees(self.crs.units_factor[1])
        left, bottom, right, top = (bound * degrees for bound in self.bounds)
        pixel = max(self.pixel_size) * degrees
        across = right - left <= 360 + pixel and max(-left, right) <= 720
        return across and bottom >= -90 - pixel and top <= 90 + pixel

    def refine(self, scale: int) -> "Grid":
        """Divide every pixel into ``scale × scale``; the origin does not change by a digit."""
        t = self.transform
        fine = Affine(t.a / scale, t.b / scale, t.c, t.d / scale, t.e / scale, t.f)
        return Grid(self.crs, fine, self.height * scale, self.width * scale)

    def coarsen(self, factor: int) -> "Grid":
        """Aggregate ``factor × factor`` pixels into one; incomplete ones at the end are dropped."""
        t, n = self.transform, factor
        coarse = Affine(t.a * n, t.b * n, t.c, t.d * n, t.e * n, t.f)
        return Grid(self.crs, coarse, self.height // n, self.width // n)

    def crop(self, rows: slice, columns: slice) -> "Grid":
        """Cut out whole pixels; if the first row and column stay, the transform does not change."""
        transform = self.transform
        if rows.start or columns.start:
            transform = transform * Affine.translation(columns.start, rows.start)
        return Grid(self.crs, transform, rows.stop - rows.start, columns.stop - columns.start)

    def window_of(self, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Find the rows and columns that touch ``bounds``, clipped to the grid (maybe empty).

        A bound that lies within a thousandth of a pixel of a pixel's edge is that edge.
        """
        left, bottom, right, top = bounds
        inverse = ~self.transform
        corners = [inverse * (x, y) for x in (left, right) for y in (bottom, top)]
        columns, rows = zip(*corners, strict=True)
        return _touched(rows, self.height), _touched(columns, self.width)

    def window_under(self, other: "Grid", margin: int) -> tuple[slice, slice]:
        """Find the rows and columns under ``other``, with a margin, clipped to the grid.

        Args:
            other: Overlaps this grid.
            margin: Pixels around what it covers.
        """
        columns, rows = self._lattice_of(other, 0.0)
        parts = []
        for positions, size in ((rows, self.height), (columns, self.width)):
            known = positions[np.isfinite(positions)]
            start = max(0, math.floor(known.min()) - margin)
            parts.append(
                slice(min(start, size), max(0, min(size, math.ceil(known.max()) + margin)))
            )
        return parts[0], parts[1]

    def offset_of(self, other: "Grid") -> tuple[int, int] | None:
        """Return where ``other`` starts on this grid if both share one lattice, else None.

        Returns:
            Row and column of the other's first pixel, or None when CRS, pixel or phase differ by
            more than a thousandth of a pixel anywhere on the other grid.
        """
        if self.crs != other.crs:
            return None
        between = ~self.transform * other.transform
        row, column = round(between.f), round(between.c)
        corners = [(c, r) for c in (0, other.width) for r in (0, other.height)]
        for c, r in corners:
            x, y = between * (c, r)
            if max(abs(x - c - column), abs(y - r - row)) > 1e-3:
                return None
        return row, column

    def pixels_per_pixel_of(self, other: "Grid") -> float:
        """Estimate how many pixels of this grid lie along a pixel of ``other``.

        Measured at the middle of the part of ``other`` that this grid covers best, as the root of
        the area's ratio. NaN when no point of ``other`` can be brought into this grid's CRS.
        """
        try:
            ratios = self._ratios(other, 1.0) or self._ratios(other, _SHORT_STEP)
        except NoWayError:
            return math.nan
        return min(ratios)[2] if ratios else math.nan

    def _ratios(self, other: "Grid", step: float) -> list[tuple[bool, float, float]]:
        """Measure pixel lengths over a lattice of ``other``, by steps of some of its pixels.

        Steps that are not straight, as where longitudes wrap, are ignored.

        Returns:
            For each point: whether it lies outside, how far from the middle, pixels of this grid.
        """
        there, inverse = way(other.crs, self.crs), ~self.transform
        fractions = np.linspace(0.05, 0.95, 7)
        across, down = (part.ravel() for part in np.meshgrid(fractions, fractions))
        steps = np.array(((0, 0), (1, 0), (0, 1), (0.5, 0), (0, 0.5))) * step
        columns = (across * other.width)[:, None] + steps[:, 0]
        rows = (down * other.height)[:, None] + steps[:, 1]
        moved = np.stack(there(*_apply(other.transform, columns, rows)), axis=-1)
        ratios = []
        for fx, fy, points in zip(across.tolist(), down.tolist(), moved.tolist(), strict=True):
            if not np.isfinite(points).all():
                continue
            corner, right, below, halfway, half_below = (inverse * (x, y) for x, y in points)
            if _bends(corner, halfway, right) or _bends(corner, half_below, below):
                continue
            (x0, y0), (x1, y1), (x2, y2) = corner, right, below
            area = abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
            inside = 0 <= x0 <= self.width and 0 <= y0 <= self.height
            pixels = math.sqrt(area) / step
            ratios.append((not inside, abs(fx - 0.5) + abs(fy - 0.5), pixels))
        return ratios

    def overlaps(self, other: "Grid") -> bool:
        """Tell whether any point of a lattice over one grid falls on the other.

        Raises:
            NoWayError: If there is no transformation between the two CRSs.
        """
        return self._holds_some_of(other) or other._holds_some_of(self)

    def copies_over(self, other: "Grid") -> list["Grid"]:
        """List the copies of this grid that overlap ``other``.

        Longitudes come out of a projection within one turn, so a copy may be reached from one side
        only: it is listed if pixels of ``other``, taken to this grid's CRS, come near it.
        """
        near = [copy for copy in self.copies if copy._lies_near(other)]
        found = [copy for copy in near if copy.overlaps(other)]
        return found or [copy for copy in self.copies if copy.overlaps(other)]

    @property
    def copies(self) -> list["Grid"]:
        """This grid, and copies of it shifted by 360° of longitude to each side."""
        if not self.crs.is_geographic:
            return [self]
        circle = 2 * math.pi / self.crs.units_factor[1]
        turns = [Affine.translation(turn, 0) * self.transform for turn in (-circle, circle)]
        return [self, *(Grid(self.crs, turned, self.height, self.width) for turned in turns)]

    def is_torn_under(self, other: "Grid") -> bool:
        """Return whether neighbours on ``other`` are far apart here, as at a seam or a pole."""
        c, r = self._lattice_of(other, 0.0)
        across, down = (np.hypot(np.diff(c, axis=i), np.diff(r, axis=i)) for i in (1, 0))
        return _jumps(across) or _jumps(down)

    def _holds_some_of(self, other: "Grid") -> bool:
        c, r = self._lattice_of(other, 0.5)
        return bool(np.any((c >= 0) & (c <= self.width) & (r >= 0) & (r <= self.height)))

    def _lies_near(self, other: "Grid") -> bool:
        """Tell whether the box around points over ``other`` meets this grid, a step allowed for."""
        for places, size in zip(self._lattice_of(other, 0.5), self.shape[::-1], strict=True):
            if not np.isfinite(places).any():
                return False
            steps = [np.abs(np.diff(places, axis=axis)) for axis in (0, 1)]
            step = max(float(np.nanmax(one, initial=0)) for one in steps) + 1
            if np.nanmin(places) > size + step or np.nanmax(places) < -step:
                return False
        return True

    def _lattice_of(
        self, other: "Grid", margin: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Find the columns and rows here of points over ``other``, NaN where there are none.

        Args:
            other: What is looked at.
            margin: How far within its edges the outermost points lie, its pixels.
        """
        return _apply(~self.transform, *_points_over(other, self.crs, margin))


@lru_cache(maxsize=8)
def _points_over(
    grid: Grid, crs: CRS, margin: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place points on a grid, and return their positions in a CRS, NaN where they have none.

    All copies of a raster, and all rasters of one grid, use the same points.
    """
    columns, rows = np.meshgrid(
        np.linspace(margin, grid.width - margin, max(2, min(grid.width, 200))),
        np.linspace(margin, grid.height - margin, max(2, min(grid.height, 200))),
    )
    x, y = way(grid.crs, crs)(*_apply(grid.transform, columns, rows))
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    there = np.isfinite(x) & np.isfinite(y)
    return np.where(there, x, np.nan), np.where(there, y, np.nan)


def _bends(start: _Point, halfway: _Point, end: _Point) -> bool:
    """Tell whether half a step leads elsewhere than half as far."""
    length = math.dist(start, end)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    return not math.dist(middle, halfway) <= _MOST_BEND * length


def _jumps(steps: NDArray[np.float64]) -> bool:
    """Tell whether any step is far longer than most."""
    known = steps[np.isfinite(steps)]
    return bool(known.size) and float(known.max()) > _JUMP * float(np.median(known))


def _apply(
    transform: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return a * x + b * y + c, d * x + e * y + f


def _touched(positions: tuple[float, ...], size: int) -> slice:
    start = max(0, math.floor(min(positions) + 1e-3))
    stop = min(size, math.ceil(max(positions) - 1e-3))
    return slice(start, max(start, stop))
