"""Transformations between CRSs by pyproj, which is imported only if one is needed."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rasterio.crs import CRS
from rasterio.errors import CRSError

if TYPE_CHECKING:
    from pyproj import Geod

Way = Callable[..., Any]
"""Takes eastings and northings, numbers or arrays, and returns them in the other CRS."""


_UPRIGHT: Final = re.compile(r",\s*(up|down)\b", re.IGNORECASE)
"""An axis of heights or depths in WKT."""


class NoWayError(Exception):
    """There is no transformation from one CRS to another."""


def way(start: CRS, end: CRS) -> Way:
    """Return the transformation from one CRS to another; None if they are the same.

    Raises:
        NoWayError: If there is no such transformation.
    """
    if start == end:
        return lambda x, y: (x, y)
    return _transformation(start, end)


def to_degrees(start: CRS) -> Way:
    """Return the transformation from a CRS to longitudes and latitudes of WGS 84.

    Raises:
        NoWayError: If there is no such transformation.
    """
    return _transformation(start, 4326)


def ellipsoid() -> "Geod":
    """Return WGS 84's ellipsoid, to measure on."""
    from pyproj import Geod

    return Geod(ellps="WGS84")


def height_units(crs: CRS) -> frozenset[str]:
    """Name the units of heights in a CRS that has them."""
    if not _has_heights(crs):
        return frozenset()
    import pyproj

    axes = pyproj.CRS.from_user_input(crs).axis_info
    return frozenset(axis.unit_name for axis in axes if axis.direction in ("up", "down"))


def _has_heights(crs: CRS) -> bool:
    """Return whether an axis is vertical; True if that is not known."""
    try:
        return bool(_UPRIGHT.search(crs.to_wkt(version="WKT2_2019")))
    except CRSError:
        return True


@lru_cache(maxsize=32)
def _transformation(start: CRS, end: Any) -> Way:
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        found: Way = Transformer.from_crs(start, end, always_xy=True).transform
    except ProjError as error:
        raise NoWayError(str(error)) from error
    return found
