"""Downscaling arrays of xarray: the command line's ``downscale`` for Python."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import rioxarray  # noqa: F401  (gives arrays their .rio)
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rioxarray.exceptions import RioXarrayError
from rioxarray.rioxarray import affine_to_coords

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import ResamplingName
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.units import Units
from groklst_cli.pipeline.arrays import ArrayRaster, Frame, downscale_arrays
from groklst_cli.pipeline.methods import PrecisionChoice
from groklst_cli.pipeline.request import Coregistration, Plan, PointSpread, Request

Guides = xr.Dataset | Mapping[str, xr.DataArray] | Sequence[xr.DataArray]
"""Guidance: variables, or arrays by name, or arrays that have names."""

_SAME_PLACE: Final = 1e-3  # pixels
_STORED_AS: Final = {"bool": "uint8", "float16": "float32"}  # which no GeoTIFF holds


def downscale(
    lst: xr.DataArray,
    guides: Guides | None = None,
    scale: int = 8,
    method: str | PathLike[str] = "auto",
    *,
    lst_units: Units | None = None,
    conserve: bool | None = None,
    radiance: bool = False,
    sensor_psf: float = 0.0,
    resampling: ResamplingName = "auto",
    coregister: Coregistration = "none",
    psf: PointSpread = "auto",
    tile: int | None = None,
    overlap: int | None = None,
    batch: int | Literal["auto"] = "auto",
    device: str = "auto",
    precision: PrecisionChoice = "auto",
    note: Callable[[str], None] = lambda text: None,
) -> xr.DataArray:
    """Turn a coarse land surface temperature into a fine one.

    The pixels are those that ``groklst downscale`` writes for the same rasters, bit for bit.

    Arrays of numpy are downscaled at once. If any array is one of Dask, so is the result: a strip
    is computed when it is asked for, from the parts of the arrays that lie under and around it,
    and holds the same bits however arrays are chunked. At once are computed, in a stream: the LST
    if nothing states its unit; and what a method is fitted to, which for most of ``fitted/`` is
    the whole scene. A guide on another grid is warped by the same code in both cases, from the part
    that covers the strip.

    Args:
        lst: The coarse raster ``(rows, columns)``, with a CRS and evenly spaced coordinates or a
            transform, as rioxarray has them. Integers are scaled by ``attrs["scale_factor"]`` and
            ``attrs["add_offset"]``. ``attrs["units"]`` states the unit; without, the values'
            range tells.
        guides: Guidance on any grid in any CRS: variables of a dataset, or arrays by name, or
            arrays with names. An array of several bands takes their names from ``long_name`` if
            it is a tuple, else numbers them.
        scale: Fine pixels along a coarse one.
        method: ``auto``, a method's key, or a checkpoint's path.
        lst_units: K or C, against what ``lst`` says.
        conserve: Whether coarse values are kept; None means the method's default.
        radiance: Keep the mean of ``T⁴`` instead of that of ``T``.
        sensor_psf: Keep the mean weighed by a Gaussian of so many coarse pixels; 0: the plain one.
        resampling: How guidance comes to the fine grid.
        coregister: What to do about guides that lie beside the LST: ``none``, ``auto``, or columns
            and rows in coarse pixels.
        psf: The point spread of the fine product, fine pixels, for fitted methods.
        tile: Side of a tile, fine pixels; None for the method's own.
        overlap: What neighbouring tiles share, fine pixels; None for the method's own.
        batch: Tiles a network gets at once; ``auto`` for as many as pay on its device.
        device: Where a network runs: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: Of a network's arithmetic.
        note: Told, for people, what was chosen and found out.

    Returns:
        The fine LST, float32, in the unit, CRS and dimensions of the coarse one, with its scalar
        coordinates; NaN exactly on the coarse pixels that have no value. ``attrs`` name the
        ``units`` (K or degC), the ``method`` and the ``scale``.

    Raises:
        UsageError: If the arguments do not make sense, or two bands have one name.
        InputError: If an array cannot be used: no CRS, no place, unknown unit, no overlap.
        DeviceError: If the device is not there.
    """
    if "," in device:
        raise UsageError(f"device {device!r} names several; name one, or use a Dask cluster")
    request = Request(
        BandSource("lst"),
        Path(),
        scale=scale,
        model=fspath(method),
        units=lst_units,
        resampling=resampling,
        coregister=coregister,
        psf=psf,
        conserve=conserve,
        radiance=radiance,
        sensor_psf=sensor_psf,
        tile=tile,
        overlap=overlap,
        batch=batch,
        device=device,
        precision=precision,
    )
    coarse = _raster("lst", lst)
    if len(coarse.frame.bands) != 1:
        raise InputError(
            f"lst has {len(coarse.frame.bands)} bands; choose the LST, as in lst.sel(band=1)"
        )
    guidance = [_raster(name, guide) for name, guide in _named(guides)]
    _refuse_twins([band for guide in guidance for band in guide.frame.bands])
    if any(not isinstance(raster.values, np.ndarray) for raster in (coarse, *guidance)):
        from groklst_cli.pipeline.delayed import downscale_lazily

        return _result(lst, *downscale_lazily(request, coarse, guidance, note))
    return _result(lst, *downscale_arrays(request, coarse, guidance, note))


def _named(guides: Guides | None) -> Iterator[tuple[str, xr.DataArray]]:
    """Give each array of guidance its name."""
    if guides is None:
        return
    if isinstance(guides, xr.DataArray):
        raise UsageError("guides is one array; write guides=[array]")
    if isinstance(guides, xr.Dataset):
        for name, variable in guides.items():
            if variable.ndim:  # what has no pixels tells something about those that have
                yield str(name), variable
    elif isinstance(guides, Mapping):
        for name, guide in guides.items():
            yield str(name), guide
    else:
        for position, guide in enumerate(guides, 1):
            if guide.name is None:
                raise UsageError(
                    f"guide {position} has no name; give it one, as in guide.rename('red')"
                )
            yield str(guide.name), guide


def _refuse_twins(names: Sequence[str]) -> None:
    twins = sorted(name for name, count in Counter(names).items() if count > 1)
    if twins:
        raise UsageError(
            f"several guidance bands are named {', '.join(twins)}; give each its own name, "
            "as in guide.rename('red')"
        )


def _raster(name: str, array: xr.DataArray) -> ArrayRaster:
    """Take an array for a raster.

    Raises:
        InputError: If it has no rows and columns, no CRS, no place, or no real numbers.
    """
    try:
        rows, columns = array.rio.y_dim, array.rio.x_dim
    except RioXarrayError as error:
        raise InputError(
            f"{name} has dimensions {', '.join(map(str, array.dims))}; it must have y and x, or "
            "others named by array.rio.set_spatial_dims('columns', 'rows')"
        ) from error
    bands = [dim for dim in array.dims if dim not in (rows, columns)]
    if len(bands) > 1:
        raise InputError(
            f"{name} has dimensions {', '.join(map(str, array.dims))}; it must have rows, columns "
            f"and at most bands: choose one {bands[0]}, as in array.isel({bands[0]}=0)"
        )
    ordered = array.transpose(*bands, rows, columns)
    frame = Frame(
        name=name,
        grid=_grid(name, array),
        dtype=_stored_type(name, array.dtype),
        bands=_band_names(name, ordered) if bands else (name,),
        nodata=_nodata(array),
        scale=float(array.attrs.get("scale_factor", 1.0)),
        offset=float(array.attrs.get("add_offset", 0.0)),
        tags={k: str(v) for k, v in array.attrs.items() if k.lower() in ("unit", "units")},
    )
    if array.dtype.kind == "f" and (frame.scale, frame.offset) != (1.0, 0.0):
        raise InputError(
            f"{name} is {array.dtype} and has scale_factor {frame.scale:g} and add_offset "
            f"{frame.offset:g} in its attrs, which may be applied already: open it with "
            "mask_and_scale=True, or apply them and drop them from attrs"
        )
    values = ordered.values if ordered.chunks is None else ordered.data
    return ArrayRaster(frame, values if bands else values[None])


def _band_names(name: str, array: xr.DataArray) -> tuple[str, ...]:
    """Name bands as rioxarray reads their descriptions, or number them."""
    described = array.attrs.get("long_name")
    if isinstance(described, tuple) and len(described) == len(array):
        return tuple(text or f"{name}_{n}" for n, text in enumerate(described, 1))
    return (name,) if len(array) == 1 else tuple(f"{name}_{n + 1}" for n in range(len(array)))


def _stored_type(name: str, dtype: np.dtype[Any]) -> str:
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InputError(f"{name} holds {dtype}; it must hold real numbers of at most 64 bits")
    plain = dtype.newbyteorder("=").name
    return _STORED_AS.get(plain, plain)


def _nodata(array: xr.DataArray) -> float | None:
    """Return the value of pixels without one, if the type can hold it."""
    nodata = array.rio.nodata
    if nodata is None or array.dtype.kind == "f":
        return None if nodata is None else float(nodata)
    kind = np.uint8 if array.dtype.kind == "b" else array.dtype
    limits = np.iinfo(kind)
    held = np.isfinite(nodata) and limits.min <= nodata <= limits.max and int(nodata) == nodata
    return int(nodata) if held else None


def _grid(name: str, array: xr.DataArray) -> Grid:
    crs = array.rio.crs
    if crs is None:
        raise InputError(f"{name} has no CRS; give it the right one: array.rio.write_crs('EPSG:…')")
    height, width = array.sizes[array.rio.y_dim], array.sizes[array.rio.x_dim]
    if not height or not width:
        raise InputError(f"{name} is empty: {height} × {width} pixels")
    return Grid(CRS.from_user_input(crs), _transform(name, array), height, width)


def _transform(name: str, array: xr.DataArray) -> Affine:
    """Find where pixels are: the transform that is stored, unless coordinates tell another.

    A part that was cut out of an array keeps the whole array's transform, but has its own
    coordinates.
    """
    try:
        stored = array.rio.transform()
        if _agree(stored, array):
            return _checked(name, stored)
        counted = array.rio.transform(recalc=True)
    except RioXarrayError as error:
        raise InputError(
            f"{name} does not say where it is: {error}; array.rio.write_transform(…) does"
        ) from error
    if not _agree(counted, array):
        raise InputError(
            f"{name} has coordinates that are not evenly spaced; interpolate it to even ones"
        )
    return _checked(name, counted)


def _checked(name: str, transform: Affine) -> Affine:
    if transform.is_degenerate or transform.is_identity:
        raise InputError(
            f"{name} does not say where it is; give it coordinates, or array.rio.write_transform(…)"
        )
    return transform


def _agree(transform: Affine, array: xr.DataArray) -> bool:
    """Tell whether coordinates, as far as there are any, are the middles of pixels."""
    if transform.b or transform.d:
        return True  # rotated: coordinates of rows and columns cannot tell
    along = (array.rio.x_dim, transform.c, transform.a), (array.rio.y_dim, transform.f, transform.e)
    for dimension, start, step in along:
        if dimension in array.coords:
            middles = start + step * (np.arange(array.sizes[dimension]) + 0.5)
            off = np.abs(array.coords[dimension].values - middles)
            if not np.all(off <= _SAME_PLACE * abs(step)):
                return False
    return True


def _result(lst: xr.DataArray, plan: Plan, values: Any) -> xr.DataArray:
    rows, columns = lst.rio.y_dim, lst.rio.x_dim
    grid = plan.grid
    placed = (
        {}
        if grid.transform.b or grid.transform.d
        else affine_to_coords(grid.transform, grid.width, grid.height, x_dim=columns, y_dim=rows)
    )
    scalars = {n: c for n, c in lst.coords.items() if c.ndim == 0 and n != lst.rio.grid_mapping}
    made = xr.DataArray(
        values,
        dims=(rows, columns),
        coords={**scalars, **placed},
        name=lst.name,
        attrs={
            "units": "K" if plan.units == "K" else "degC",
            "method": plan.choice.tag,
            "scale": plan.scale,
        },
    )
    fine: xr.DataArray = (
        made.rio.set_spatial_dims(columns, rows)
        .rio.write_crs(grid.crs)
        .rio.write_transform(grid.transform)
        .rio.write_nodata(np.nan)
    )
    return fine
