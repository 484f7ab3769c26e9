"""Downscaling arrays of xarray: the command line's ``downscale`` for Python."""

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from rioxarray.rioxarray import affine_to_coords

from groklst_cli.errors import UsageError
from groklst_cli.geo.align import ResamplingName
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.units import Units
from groklst_cli.pipeline.arrays.eager import downscale_arrays
from groklst_cli.pipeline.arrays.from_xarray import Guides, guide_rasters, one_layer, raster
from groklst_cli.pipeline.downscale.request import Coregistration, Plan, PointSpread, Request
from groklst_cli.pipeline.predict.ready import PrecisionChoice

_DESCRIBED: Final = {
    "standard_name": "surface_temperature",
    "long_name": "land surface temperature",
}
"""What a result is in the words of the CF conventions, unless the LST says it in others."""


def downscale(
    lst: xr.DataArray,
    guides: Guides | None = None,
    scale: int | None = None,
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
        lst: The coarse raster ``(rows, columns)``, further dimensions only of one, with a CRS and
            evenly spaced coordinates or a transform, as rioxarray has them. Integers are scaled by
            ``attrs["scale_factor"]`` and ``attrs["add_offset"]``. ``attrs["units"]`` states the
            unit; without, the values' range tells.
        guides: Guidance on any grid in any CRS: variables of a dataset, or arrays by name, or
            arrays with names, or one array. An array of several bands takes their names from
            ``long_name`` if it is a tuple, else numbers them.
        scale: Fine pixels along a coarse one; None for the checkpoint's, else what leads to the
            finest guide's pixel, else 8.
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
        device: Where a network runs: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; fitted
            methods compute on the CPU, and ``note`` says so where another is named.
        precision: Of a network's arithmetic.
        note: Told, for people, what was chosen and found out.

    Returns:
        The fine LST, float32, in the unit, CRS and dimensions of the coarse one, with its scalar
        coordinates; NaN exactly on the coarse pixels that have no value. Its name is the LST's, or
        ``lst``. ``attrs`` name the ``units`` (K or degC), the ``method`` and the ``scale``, and
        what it is in the words of the CF conventions.

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
    lst = one_layer("lst", lst)
    coarse, guidance = raster("lst", lst), guide_rasters(guides)
    if any(not isinstance(r.values, np.ndarray) for r in (coarse, *guidance)):
        from groklst_cli.pipeline.arrays.lazy import downscale_lazily

        return _result(lst, *downscale_lazily(request, coarse, guidance, note))
    return _result(lst, *downscale_arrays(request, coarse, guidance, note))


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
        name="lst" if lst.name is None else lst.name,
        attrs={
            **{key: _word(lst, key) or word for key, word in _DESCRIBED.items()},
            "units": "K" if plan.units == "K" else "degC",
            "method": plan.choice.tag,
            "scale": plan.scale,
        },
    )
    made.rio.set_spatial_dims(columns, rows, inplace=True)
    made.rio.write_crs(grid.crs, inplace=True)
    made.rio.write_transform(grid.transform, inplace=True)
    made.rio.write_nodata(np.nan, inplace=True)
    if placed:
        made.rio.write_coordinate_system(inplace=True)
    return made


def _word(lst: xr.DataArray, key: str) -> str | None:
    """Return what the LST calls itself."""
    word = lst.attrs.get(key)
    return word if isinstance(word, str) and word else None
