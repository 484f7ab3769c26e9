"""The position of the pixels of an xarray array: its rows, columns, CRS and transform."""

from collections.abc import Hashable
from typing import Final

import rioxarray  # noqa: F401  (gives arrays their .rio)
import xarray as xr
from affine import Affine
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rioxarray.exceptions import RioXarrayError

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.arrays.coordinates import (
    agree,
    call,
    placing,
    refuse_strange,
    refuse_uneven,
    typed,
)

_COLUMNS: Final = frozenset({"x", "lon", "longitude"})
_KILOMETRES: Final = frozenset({"km", "kilometre", "kilometres", "kilometer", "kilometers"})
_RADIANS: Final = frozenset({"rad", "radian", "radians"})
_ROWS: Final = frozenset({"y", "lat", "latitude"})


def with_place(name: str, array: xr.DataArray) -> xr.DataArray:
    """Return the array with its rows and columns set for rioxarray.

    Raises:
        InputError: If it is not known which dimensions they are.
    """
    try:
        _ = array.rio.x_dim, array.rio.y_dim
    except RioXarrayError as error:
        columns = [dim for dim in array.dims if str(dim).lower() in _COLUMNS]
        rows = [dim for dim in array.dims if str(dim).lower() in _ROWS]
        if len(columns) != 1 or len(rows) != 1:
            raise InputError(_unknown_dimensions(name, array)) from error
        return with_dimensions(array, columns[0], rows[0])
    return array


def with_dimensions(array: xr.DataArray, columns: Hashable, rows: Hashable) -> xr.DataArray:
    """Return an array of the same values with these columns and rows."""
    named = array.copy(deep=False)
    named.rio.set_spatial_dims(columns, rows, inplace=True)
    return named


def grid_of_array(name: str, array: xr.DataArray) -> Grid:
    """Find the grid of an array that ``with_place`` returned.

    Raises:
        InputError: If it has no CRS, no pixels, or no even coordinates and no transform.
    """
    height, width = array.sizes[array.rio.y_dim], array.sizes[array.rio.x_dim]
    if not height or not width:
        raise InputError(f"{name} is empty: {height} × {width} pixels")
    _refuse_swath(name, array)
    crs = _crs(name, array)
    _refuse_other_unit(name, array, crs)
    return Grid(crs, _transform(name, array), height, width)


def _unknown_dimensions(name: str, array: xr.DataArray) -> str:
    found = f"{name} has dimensions {', '.join(map(str, array.dims)) or 'none'}"
    if array.ndim < 2:
        return f"{found}, expected rows and columns; choose an array that has both"
    rows, columns = array.dims[-2:]
    return (
        f"{found}, expected y and x; state which are columns and rows, as in "
        f"{typed(name)}.rio.set_spatial_dims({columns!r}, {rows!r})"
    )


def _refuse_swath(name: str, array: xr.DataArray) -> None:
    both = {array.rio.x_dim, array.rio.y_dim}
    wanted = _COLUMNS | _ROWS
    swath = [n for n, c in array.coords.items() if c.ndim == 2 and str(n).lower() in wanted]
    if swath and not both & set(array.coords):
        raise InputError(
            f"{name} has {' and '.join(map(str, swath))} for every pixel (a swath), expected "
            "evenly spaced rows and columns; interpolate it to a grid first, as with "
            "scipy.interpolate.griddata"
        )


def _crs(name: str, array: xr.DataArray) -> CRS:
    try:
        crs = array.rio.crs
    except (CRSError, ProjError) as error:
        raise InputError(
            f"{name} has a CRS that cannot be read ({error}); set the right one: "
            f"{typed(name)}.rio.write_crs('EPSG:…')"
        ) from error
    if crs is not None:
        return CRS.from_user_input(crs)
    code = "EPSG:4326" if _in_degrees(array) else "EPSG:…"
    given = f"{typed(name)}.rio.write_crs({code!r})"
    mapping = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping"))
    if mapping is not None and mapping not in array.coords:
        raise InputError(
            f"{name} has no CRS, because its grid mapping {mapping} is missing; open the file "
            "with decode_coords='all', as in xarray.open_dataset(FILE, decode_coords='all'), or "
            f"set the right one: {given}"
        )
    raise InputError(f"{name} has no CRS; set the right one: {given}")


def _refuse_other_unit(name: str, array: xr.DataArray, crs: CRS) -> None:
    """Refuse coordinates whose unit of length differs from that of the CRS."""
    if not crs.is_projected or crs.linear_units_factor[1] != 1:
        return
    both = (array.rio.x_dim, array.rio.y_dim)
    units = {str(array[dim].attrs.get("units", "")).lower() for dim in both if dim in array.coords}
    metres = 1000.0 if units & _KILOMETRES else _height(crs) if units & _RADIANS else None
    if metres is not None:
        moved = {dim: f"{typed(name)}[{dim!r}].values * {metres!r}" for dim in both}
        raise InputError(
            f"{name} has {' and '.join(map(str, both))} in {', '.join(sorted(units))}, but its "
            f"CRS is in metres; convert them to metres, as in {call(name, 'assign_coords', moved)}"
        )


def _height(crs: CRS) -> float | None:
    """Return the height of a geostationary view, which converts scan angles to metres."""
    height = crs.to_dict().get("h")
    return None if height is None else float(height)


def _in_degrees(array: xr.DataArray) -> bool:
    """Tell whether columns and rows are called longitudes and latitudes."""
    names = {str(array.rio.x_dim).lower(), str(array.rio.y_dim).lower()}
    return names <= {"lon", "longitude", "lat", "latitude"}


def _transform(name: str, array: xr.DataArray) -> Affine:
    """Find the transform: the stored one, unless the coordinates give another.

    A part of an array keeps the transform of the whole array, but has its own coordinates.
    """
    refuse_strange(name, array)
    try:
        stored = array.rio.transform()
        if agree(stored, array):
            return _checked(name, stored)
        counted = array.rio.transform(recalc=True)
    except RioXarrayError as error:
        raise InputError(
            f"{name} has no position: {error}; set a transform: {placing(name)}"
        ) from error
    if not agree(counted, array):
        refuse_uneven(name, array)
    return _checked(name, counted)


def _checked(name: str, transform: Affine) -> Affine:
    if transform.is_degenerate or transform.is_identity:
        raise InputError(
            f"{name} has no position; add coordinates y and x, or set a transform: {placing(name)}"
        )
    return transform
