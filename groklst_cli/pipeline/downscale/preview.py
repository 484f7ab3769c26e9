"""Small views of rasters for people, and words for their grids."""

import math
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling

from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.downscale.watched import SIDE

Values = NDArray[np.floating[Any]]

LEAST_RESIDUAL: Final = 0.05
"""Kelvin; less is not worth a colour."""

_DEGREE: Final = 111_320.0  # metres along a meridian
_NAMED: Final = re.compile(r"\s*\w+\s*\[\s*\"([^\"]*)\"")
_PROJECTION: Final = re.compile(r"(?:PROJECTION|METHOD)\s*\[\s*\"([^\"]+)\"")
_NAMELESS: Final = ("", "unnamed", "unknown", "undefined")


def read_small(path: Path, side: int = SIDE) -> Values:
    """Read a result with at most ``side`` pixels along a side, from overviews if there are any."""
    with gdal_environment(), rasterio.open(path) as result:
        factor = max(1, -(-max(result.shape) // side))
        shape = tuple(-(-size // factor) for size in result.shape)
        values = result.read(1, out_shape=shape, masked=True, resampling=Resampling.average)
        return np.asarray(values.filled(np.nan))


def limits_of(values: Values) -> tuple[float, float]:
    """Return what 1 % and 99 % of the known values lie below."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, [1, 99])
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(low) + 0.5)


def metres_of(grid: Grid) -> float | None:
    """Return how many metres a CRS unit is across, in the middle of a grid; None if unknown."""
    if grid.crs.is_projected:
        return float(grid.crs.linear_units_factor[1])
    if not grid.crs.is_geographic:
        return None
    _, bottom, _, top = grid.bounds
    return _DEGREE * max(math.cos(math.radians((bottom + top) / 2)), 1e-6)


def height_by_width(grid: Grid) -> float:
    """Return the shape of a pixel on the ground."""
    wide, high = grid.pixel_size
    metres = metres_of(grid)
    if grid.crs.is_geographic and metres is not None:
        return high / wide * min(_DEGREE / metres, 10.0)
    return high / wide


def pixel_words(grid: Grid, times: int = 1) -> str:
    """Return the width of a pixel, or of several side by side, in words."""
    side, metres = grid.pixel_size[0] * times, metres_of(grid)
    wide = f"{side:g} CRS units" if metres is None else length_words(side * metres)
    return f"{wide} a pixel"


def length_words(metres: float) -> str:
    """Write a length for people."""
    return f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.3g} m"


def crs_name(crs: CRS) -> str:
    """Name a CRS in a few words: by its code, else its own name, else its projection."""
    said = str(crs.to_string())
    if "[" not in said:
        return said[:40]
    wkt = crs.to_wkt()
    named, projection = _NAMED.match(wkt), _PROJECTION.search(wkt)
    if named and named[1].strip().lower() not in _NAMELESS:
        return named[1].strip()[:40]
    if projection:
        return f"unnamed CRS, {projection[1].replace('_', ' ')[:40]}"
    return "unnamed CRS"
