"""Parts of grids: the requested window, and a layer's pixels under another grid."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.projection import NoWayError, to_degrees
from groklst_cli.pipeline.ingest.layers import Layer, Read, Stored

Bounds = tuple[float, float, float, float]

_ROWS: Final = 256  # that are made at once
_LARGEST: Final = 2**32  # pixels; the header of a small sparse file can state more
_MARGIN: Final = 10  # coarse pixels around a part, so that guides have surroundings


@dataclass(frozen=True)
class Part:
    """A window of a grid.

    Attributes:
        whole: The grid.
        rows: Of it.
        columns: Likewise.
    """

    whole: Grid
    rows: slice
    columns: slice

    @property
    def grid(self) -> Grid:
        """The window's own grid."""
        return self.whole.crop(self.rows, self.columns)

    def strips(self, factor: int = 1) -> Iterator[slice]:
        """Cut the rows, each cut but the last a multiple of the factor."""
        step = max(_ROWS // factor, 1) * factor
        for start in range(self.rows.start, self.rows.stop, step):
            yield slice(start, min(start + step, self.rows.stop))


def part_of(grid: Grid, bounds: Bounds | None, factor: int, name: str) -> Part:
    """Find the whole blocks of ``factor × factor`` pixels that touch bounds.

    Blocks count from the grid's first pixel, so a part's are those of the whole.

    Raises:
        InputError: If there is none.
    """
    rows, columns = slice(0, grid.height), slice(0, grid.width)
    if bounds is not None:
        rows, columns = grid.window_of(bounds)
    rows, columns = (
        slice(cut.start // factor * factor, min(-(-cut.stop // factor), size // factor) * factor)
        for cut, size in ((rows, grid.height), (columns, grid.width))
    )
    if rows.stop <= rows.start or columns.stop <= columns.start:
        shown = " ".join(f"{value:.10g}" for value in grid.bounds)
        raise InputError(
            f"{name} has no whole pixel in the bounds; it covers {shown} in its own CRS"
            if bounds is not None
            else f"{name} is {grid.height} × {grid.width} pixels, less than one pixel of the sensor"
        )
    if (rows.stop - rows.start) * (columns.stop - columns.start) > _LARGEST:
        raise InputError(
            f"{name} has {grid.height} × {grid.width} pixels, more than the {_LARGEST} that are "
            "read at once; name a part with --bounds L B R T"
        )
    return Part(grid, rows, columns)


def under(grid: Grid, lst: Grid) -> Part | None:
    """Find the part of a grid that lies under an LST and a little beyond; None if none does."""
    steps = _MARGIN * max(lst.pixel_size)
    left, bottom, right, top = lst.bounds
    wide = left - steps, bottom - steps, right + steps, top + steps
    try:
        around = transform_bounds(lst.crs, grid.crs, *wide, densify_pts=51)
    except (RasterioError, ValueError):
        return None
    if not all(map(math.isfinite, around)):
        return Part(grid, slice(0, grid.height), slice(0, grid.width))
    rows, columns = grid.window_of(around)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return None
    return Part(grid, rows, columns)


def read_under(layer: Layer, read: Read, part: Part, rows: slice) -> Stored:
    """Read a layer's values at the middles of a part's pixels: nearest, as classes have no mean.

    Raises:
        InputError: If both lie in different CRS, or are turned against each other.
    """
    if layer.grid == part.whole:
        return read(rows, part.columns)
    between = ~layer.grid.transform * part.whole.transform
    if layer.grid.crs != part.whole.crs or abs(between.b) + abs(between.d) > 1e-6:
        raise InputError(
            f"{layer.name} has another CRS than the band that it describes; provide both on one "
            "grid"
        )
    there_rows = _nearest(between.e, between.f, rows)
    there_columns = _nearest(between.a, between.c, part.columns)
    inside = ((there_rows >= 0) & (there_rows < layer.grid.height))[:, None] & (
        (there_columns >= 0) & (there_columns < layer.grid.width)
    )[None, :]
    if not inside.any():
        shape = inside.shape
        return np.zeros(shape, np.dtype(layer.dtype)), np.zeros(shape, bool)
    there_rows = there_rows.clip(0, layer.grid.height - 1)
    there_columns = there_columns.clip(0, layer.grid.width - 1)
    first, last = int(there_rows.min()), int(there_rows.max())
    start, stop = int(there_columns.min()), int(there_columns.max())
    raw, known = read(slice(first, last + 1), slice(start, stop + 1))
    chosen = np.ix_(there_rows - first, there_columns - start)
    return raw[chosen], known[chosen] & inside


def _nearest(step: float, start: float, cut: slice) -> NDArray[np.int64]:
    return np.floor(step * (np.arange(cut.start, cut.stop) + 0.5) + start).astype(np.int64)


def degrees_of(grid: Grid) -> list[float] | None:
    """West, south, east and north of a grid; None where its CRS leads to no longitudes."""
    try:
        to_degrees(grid.crs)
        found = transform_bounds(grid.crs, 4326, *grid.bounds)
    except (NoWayError, RasterioError, ValueError):
        return None
    return [round(value, 6) for value in found] if all(map(math.isfinite, found)) else None
