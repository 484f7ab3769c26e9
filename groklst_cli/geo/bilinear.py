"""Bilinear sampling of all bands of a raster at the pixels of another grid.

GDAL's warper finds a place's four neighbours anew for every band; here they are found once for all
bands. Places are interpolated on a lattice that is anchored at the fine grid's origin, so no pixel
depends on the window that asks for it. As in GDAL, neighbours that have a value share the weight of
those that have none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.grid import Grid
from groklst_cli.geo.projection import NoWayError, way

EXACT: Final = frozenset(("uint8", "int8", "uint16", "int16", "float32"))
"""Types of which float32 holds every value."""

Read = Callable[[slice, slice], NDArray[np.generic]]
"""Reads rows and columns of all bands, ``(bands, rows, columns)``, as they are stored."""

Marks = Sequence[float | None]
"""Stored values that mean that there is none, in all bands."""

Places = NDArray[np.float64]
Values = NDArray[np.float32]

_SPACINGS: Final = (32, 16, 8, 4)
"""Fine pixels between places that are computed exactly."""

_TOLERANCE: Final = 0.0005
"""Largest error of a place that is interpolated between them, guide pixels."""

_CELLS: Final = 24
"""Cells of the lattice along each side in which that error is measured."""

_COLUMNS: Final = 1024
"""Columns of a raster that are read at once."""

_ROWS: Final = 16
"""Rows of them that are sampled at once, so that they stay in the processor's cache."""

_LEAST_WEIGHT: Final = 1e-5
"""Of the neighbours that have a value; GDAL's."""


@dataclass(frozen=True)
class Bilinear:
    """How the pixels of a fine grid lie on a raster's own grid.

    Attributes:
        own: The raster's grid.
        fine: The grid whose pixels are looked up.
        spacing: Fine pixels between places that are computed exactly.
    """

    own: Grid
    fine: Grid
    spacing: int

    @classmethod
    def between(cls, own: Grid, fine: Grid) -> Self | None:
        """Choose the spacing; None where places cannot be interpolated, as across a seam."""
        spacing = _widest_spacing(own, fine)
        return None if spacing is None else cls(own, fine, spacing)

    @property
    def is_whole(self) -> bool:
        """Whether every pixel of the fine grid surely lies on the raster."""
        rows, columns = (
            np.minimum(_nodes(slice(0, size), self.spacing), size - 1) for size in self.fine.shape
        )
        edges = (rows[[0, -1]], columns), (rows, columns[[0, -1]])
        exact = [
            _exact_at(self.own, self.fine, _middles(down)[:, None], _middles(across))
            for down, across in edges
        ]
        row, column = np.concatenate([places.reshape(2, -1) for places in exact], axis=1)
        low = min(row.min(), column.min())
        high = max(row.max() - self.own.height, column.max() - self.own.width)
        inside = -0.5 + 2 * _TOLERANCE
        return bool(low >= inside and -1 - high >= inside)

    def sample_into(
        self, values: Values, rows: slice, columns: slice, read: Read, nodata: Marks
    ) -> None:
        """Sample a window of the fine grid.

        Args:
            values: To fill, ``(bands, rows, columns)``, stored values; NaN where there is none.
            rows: Of the fine grid.
            columns: Of the fine grid.
            read: Reads the raster.
            nodata: Stored values that mean that there is none, in all bands.
        """
        for start in range(columns.start, columns.stop, _COLUMNS):
            part = slice(start, min(start + _COLUMNS, columns.stop))
            inside = slice(part.start - columns.start, part.stop - columns.start)
            self._sample_part(values[..., inside], rows, part, read, nodata)

    def _sample_part(
        self, values: Values, rows: slice, columns: slice, read: Read, nodata: Marks
    ) -> None:
        places = self.places(rows, columns)
        outside = _clip(places, self.own.shape)
        first, last = int(np.floor(places[0].min())), int(np.floor(places[0].max())) + 1
        left, right = int(np.floor(places[1].min())), int(np.floor(places[1].max())) + 1
        if outside is not None and outside.all():
            values.fill(np.nan)
            return
        shape = len(values), last - first + 1, right - left + 1
        table = np.full(shape, np.nan, np.float32)
        there = (
            slice(max(first, 0), min(last + 1, self.own.height)),
            slice(max(left, 0), min(right + 1, self.own.width)),
        )
        _tabulate(
            table[
                :,
                there[0].start - first : there[0].stop - first,
                there[1].start - left : there[1].stop - left,
            ],
            read(*there),
            nodata,
        )
        places[0] -= first
        places[1] -= left
        _average_neighbours(table, places[0], places[1], into=values)
        if outside is not None:
            values[:, outside] = np.nan

    def places(self, rows: slice, columns: slice) -> Places:
        """Find where the middles of a window's pixels lie on the raster's grid.

        Returns:
            ``(2, rows, columns)``: row and column there, whole where a pixel's middle is.
        """
        step = self.spacing
        down, across = _nodes(rows, step), _nodes(columns, step)
        exact = _exact_at(self.own, self.fine, _middles(down)[:, None], _middles(across))
        row = np.arange(rows.start, rows.stop)
        node, share = (row - down[0]) // step, (row % step / step)[:, None]
        lines = exact[:, node] + (exact[:, node + 1] - exact[:, node]) * share
        start, stop = lines[..., :-1, None], np.diff(lines)[..., None]
        found = start + stop * (np.arange(step) / step)
        skipped = columns.start - int(across[0])
        width = columns.stop - columns.start
        return found.reshape(2, len(row), -1)[..., skipped : skipped + width].copy()


def _nodes(part: slice, step: int) -> NDArray[np.int_]:
    """List the pixels of the lattice, every ``step`` from the first, around a part of an axis."""
    return np.arange(part.start // step, (part.stop - 1) // step + 2) * step


def _middles(pixels: NDArray[np.int_]) -> Places:
    return pixels.astype(np.float64) + 0.5


def _exact_at(own: Grid, fine: Grid, rows: Places, columns: Places) -> Places:
    """Compute where places of the fine grid lie, ``(2, rows, columns)``; infinite where nowhere."""
    t, back = fine.transform, ~own.transform
    x, y = way(fine.crs, own.crs)(
        t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    )
    x, y = np.asarray(x), np.asarray(y)
    return np.stack((back.d * x + back.e * y + back.f, back.a * x + back.b * y + back.c)) - 0.5


@lru_cache(maxsize=32)
def _widest_spacing(own: Grid, fine: Grid) -> int | None:
    """Choose the widest lattice on which places are true; None if the narrowest is too wide."""
    if own.is_torn_under(fine):
        return None
    try:
        return next((step for step in _SPACINGS if _bend(own, fine, step) <= _TOLERANCE), None)
    except NoWayError:
        return None


def _bend(own: Grid, fine: Grid, step: int) -> float:
    """Measure how far from the middle of four places the place between them lies."""
    corners = [
        np.unique(np.linspace(0, size // step, _CELLS).astype(int)) * step for size in fine.shape
    ]
    rows, columns = _middles(corners[0])[:, None], _middles(corners[1])
    half = step / 2
    around = [
        _exact_at(own, fine, rows + down, columns + across)
        for down in (0, step)
        for across in (0, step)
    ]
    off = np.abs(_exact_at(own, fine, rows + half, columns + half) - sum(around) / 4).max()
    return float(off) if np.isfinite(off) else np.inf


def _clip(places: Places, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Move places outside a raster onto its nearest edge, in place; return which these were.

    From there no more of the raster is read than the window needs.
    """
    outside = None
    for positions, size in zip(places, shape, strict=True):
        if positions.min() >= -0.5 and positions.max() <= size - 0.5:
            continue
        beyond = ~((positions >= -0.5) & (positions <= size - 0.5))
        outside = beyond if outside is None else outside | beyond
        np.clip(positions, -0.5, size - 0.5, out=positions)
    return outside


def _tabulate(table: Values, stored: NDArray[np.generic], nodata: Marks) -> None:
    """Copy bands of stored values, NaN where there is none."""
    for target, plane in zip(table, stored, strict=True):
        target[...] = plane
        for mark in nodata:
            if mark is not None and (none := plane == mark).any():
                target[none] = np.nan
    if stored.dtype.kind == "f" and not np.isfinite(table).all():
        table[~np.isfinite(table)] = np.nan


def _average_neighbours(table: Values, rows: Places, columns: Places, into: Values) -> None:
    """Average the four neighbours of each place, weighted by how near they are.

    It is done by steps between neighbours, so that a band of one value keeps it to the last bit.

    Args:
        table: ``(bands, rows, columns)``, NaN where there is no value.
        rows: From the table's first, with one row after each.
        columns: The same.
        into: To fill, ``(bands, *rows.shape)``, NaN where no neighbour has a value.
    """
    width = table.shape[2]
    for first in range(0, len(rows), _ROWS):
        some = slice(first, first + _ROWS)
        row, column = rows[some].ravel(), columns[some].ravel()
        above, before = row.astype(np.intp), column.astype(np.intp)
        down, across = (row - above).astype(np.float32), (column - before).astype(np.float32)
        corners = above * width + before
        for plane, target in zip(table, into[:, some], strict=True):
            upper, right, lower, opposite = _neighbours(plane, corners)
            _step(upper, right, across)
            _step(lower, opposite, across)
            _step(upper, lower, down)
            missing = np.isnan(upper)
            if missing.any():
                upper[missing] = _average_known(
                    _neighbours(plane, corners[missing]), down[missing], across[missing]
                )
            target[...] = upper.reshape(target.shape)


def _neighbours(plane: Values, corners: NDArray[np.intp]) -> list[Values]:
    """Return the values at corners, at their right, below them, and below at their right."""
    flat, width = plane.ravel(), plane.shape[1]
    return [flat[further:].take(corners, mode="clip") for further in (0, 1, width, width + 1)]


def _step(start: Values, stop: Values, share: Values) -> None:
    """Go a share of the way from one value to another; both are changed."""
    stop -= start
    stop *= share
    start += stop


def _average_known(neighbours: Sequence[Values], down: Values, across: Values) -> Values:
    """Average those of four neighbours that have a value; NaN where they have hardly a weight."""
    d, a = down.astype(np.float64), across.astype(np.float64)
    weights = np.stack(((1 - d) * (1 - a), (1 - d) * a, d * (1 - a), d * a))
    values = np.stack(neighbours).astype(np.float64)
    known = ~np.isnan(values)
    total = weights.sum(axis=0, where=known)
    averages = np.full(total.shape, np.nan)
    shared = (weights * values).sum(axis=0, where=known)
    np.divide(shared, total, out=averages, where=total > _LEAST_WEIGHT)
    return averages.astype(np.float32)
