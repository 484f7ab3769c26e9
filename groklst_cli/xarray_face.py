"""Downscaling arrays of xarray: the command line's ``downscale`` for Python."""

import inspect
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, Final, Literal, get_type_hints, overload

import numpy as np
import xarray as xr
from rioxarray.rioxarray import affine_to_coords

from groklst_cli.errors import UsageError
from groklst_cli.pipeline.arrays.cubes import date_by_date, is_cube
from groklst_cli.pipeline.arrays.eager import downscale_arrays
from groklst_cli.pipeline.arrays.from_xarray import (
    GuideMasks,
    Guides,
    Mask,
    guide_rasters,
    mask_arrays,
    one_layer,
    raster,
)
from groklst_cli.pipeline.downscale.in_memory import with_deviation
from groklst_cli.pipeline.predict.listeners import Note, silent
from groklst_cli.pipeline.predict.option import defaults_of, options_of
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.settings import Settings

_OPTIONS: Final = {
    name: option
    for name, option in options_of(Settings).items()
    if option.in_python and name != "scale"
}
"""Options that are set by name; ``scale`` and ``method`` are separate arguments."""

_WHOLE: Final = ("scale", "tile", "overlap", "batch")

_DESCRIBED: Final = {
    "standard_name": "surface_temperature",
    "long_name": "land surface temperature",
}
"""CF attributes of a result, unless the LST has others."""

_UNCERTAINTY: Final = "uncertainty"
_DEVIATION: Final = {
    "standard_name": "surface_temperature standard_error",
    "long_name": "standard deviation of the land surface temperature",
    "units": "K",
}


@overload
def downscale(
    lst: xr.DataArray,
    guides: Guides | None = None,
    scale: int | None = None,
    method: str | PathLike[str] = "auto",
    *,
    mask: Mask | None = None,
    guide_mask: GuideMasks | None = None,
    uncertainty: Literal[False] = False,
    note: Note = silent,
    **settings: Any,
) -> xr.DataArray: ...


@overload
def downscale(
    lst: xr.DataArray,
    guides: Guides | None = None,
    scale: int | None = None,
    method: str | PathLike[str] = "auto",
    *,
    mask: Mask | None = None,
    guide_mask: GuideMasks | None = None,
    uncertainty: Literal[True],
    note: Note = silent,
    **settings: Any,
) -> xr.Dataset: ...


def downscale(
    lst: xr.DataArray,
    guides: Guides | None = None,
    scale: int | None = None,
    method: str | PathLike[str] = "auto",
    *,
    mask: Mask | None = None,
    guide_mask: GuideMasks | None = None,
    uncertainty: bool = False,
    note: Note = silent,
    **settings: Any,
) -> xr.DataArray | xr.Dataset:
    """Turn a coarse land surface temperature into a fine one.

    The pixels equal those that ``groklst downscale`` writes for the same rasters, bit for bit.

    NumPy arrays are downscaled immediately. If any array is a Dask array, so is the result: each
    strip is computed when it is needed, from the parts of the arrays under and around it, and its
    bits do not depend on the chunks. Two things are still computed immediately, in a stream: the
    range of the LST if nothing states its unit, and the fit of a fitted method, which for most
    methods in ``fitted/`` reads the whole scene. A guide on another grid is warped by the same code
    in both cases, from the part that covers the strip.

    Args:
        lst: The coarse raster ``(rows, columns)``, or a cube with a dimension ``time``, whose dates
            are downscaled separately; other dimensions must have length one. It needs a CRS and
            evenly spaced coordinates or a transform, as rioxarray sets them. Integers are scaled by
            ``attrs["scale_factor"]`` and ``attrs["add_offset"]``. ``attrs["units"]`` states the
            unit; without it, the unit is guessed from the range of values.
        guides: Guides on any grid in any CRS: a dataset, a mapping of names to arrays, a sequence
            of named arrays, or one array. A guide with a dimension ``time`` must have the LST's
            dates; one without is used for all dates. Bands of an array are named by ``long_name``
            if it is a tuple, and numbered otherwise.
        scale: Fine pixels along a coarse pixel; None for the checkpoint's scale, else that of the
            finest guide, else 8.
        method: ``auto``, a method's key, or a checkpoint's path.
        mask: Which pixels of the LST are clear, on any grid: 1 or True, or the values that a rule
            of the command line names, as in ``mask=(qa, "landsat-qa")``. Pixels without a value are
            not clear.
        guide_mask: The same for guides; a mapping gives a mask for each band that it names.
        uncertainty: Whether to also return the standard deviation, as ``--uncertainty`` writes it.
            It needs the whole result in memory, so Dask arrays are refused.
        note: Called with messages about what was chosen and estimated.
        **settings: Options with the same names as on the command line, as ``lst_units="K"`` or
            ``conserve="none"``; they are listed below.

    Returns:
        The fine LST, float32, in the unit, CRS and dimensions of the coarse one, with its scalar
        coordinates; NaN exactly on the coarse pixels without a value and where ``mask`` is not
        clear. Its name is the LST's, or ``lst``. ``attrs`` hold ``units`` (K or degC), ``method``,
        ``scale`` and the CF attributes. With ``uncertainty``, a dataset of it and of
        ``uncertainty``, kelvin.

    Raises:
        UsageError: If arguments are not valid, or two bands have the same name.
        InputError: If an array cannot be used: no CRS, no position, unknown unit, no overlap.
        DeviceError: If the device is not available.
    """
    _refuse_unknown(settings)
    settings = {name: _own_number(name, value) for name, value in settings.items()}
    asked = Settings(scale=_own_number("scale", scale), model=fspath(method), **settings)
    if len(asked.devices) > 1:
        raise UsageError(
            f"device {asked.device!r} names several devices; name one, or use a Dask cluster"
        )
    if is_cube(lst):

        def of_date(
            day: str,
            lst: xr.DataArray,
            guides: Guides | None,
            mask: Mask | None,
            guide_mask: GuideMasks | None,
        ) -> xr.DataArray | xr.Dataset:
            def say(text: str) -> None:
                note(f"{day}: {text}")

            return _downscaled(asked, lst, guides, mask, guide_mask, say, uncertainty)

        return date_by_date(of_date, lst, guides, mask, guide_mask)
    return _downscaled(asked, lst, guides, mask, guide_mask, note, uncertainty)


def _downscaled(
    asked: Settings,
    lst: xr.DataArray,
    guides: Guides | None,
    mask: Mask | None,
    guide_mask: GuideMasks | None,
    note: Note,
    uncertainty: bool,
) -> xr.DataArray | xr.Dataset:
    """Downscale one LST."""
    lst = one_layer("lst", lst)
    coarse, guidance = raster("lst", lst), guide_rasters(guides)
    masks = mask_arrays(mask, guide_mask)
    if any(not isinstance(r.values, np.ndarray) for r in (coarse, *guidance, *masks.rasters)):
        from groklst_cli.pipeline.arrays.lazy import downscale_lazily

        if uncertainty:
            raise UsageError(
                "uncertainty=True needs the whole result in memory, but the arrays are Dask "
                "arrays; load them first, as in lst.load(), or leave uncertainty out"
            )
        return _result(lst, *downscale_lazily(asked, coarse, guidance, masks, note))
    sure = with_deviation if uncertainty else None
    plan, fine, deviation = downscale_arrays(asked, coarse, guidance, masks, note, sure)
    made = _result(lst, plan, fine)
    return made if deviation is None else _beside(made, deviation)


def _beside(made: xr.DataArray, deviation: Any) -> xr.Dataset:
    """Put a result and its standard deviation into one dataset."""
    kept = {key: word for key, word in made.attrs.items() if key not in _DESCRIBED}
    sure = made.copy(data=deviation).rename(_UNCERTAINTY)
    sure.attrs = {**kept, **_DEVIATION}
    if made.name == _UNCERTAINTY:
        made = made.rename("lst")
    made.attrs["ancillary_variables"] = _UNCERTAINTY
    return xr.Dataset({made.name: made, _UNCERTAINTY: sure})


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
    """Return the attributes that the LST has."""
    word = lst.attrs.get(key)
    return word if isinstance(word, str) and word else None


def _own_number(name: str, value: Any) -> Any:
    """Convert a NumPy number to a Python number, as torch and rasterio need.

    Raises:
        UsageError: If it must be a whole number and is not.
    """
    own = value.item() if isinstance(value, np.generic) else value
    must_be_whole = name in _WHOLE and own is not None and own != "auto"
    if must_be_whole and (isinstance(own, bool) or not isinstance(own, int)):
        raise UsageError(f"{name} is {own!r}, expected a whole number, as in {name}=8")
    return own


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    """Refuse arguments that are not options, as Python does.

    Raises:
        TypeError: If an argument is not an option.
    """
    for name in settings:
        if name not in _OPTIONS:
            raise TypeError(
                f"downscale() got an unexpected keyword argument {name!r}; options are "
                f"{', '.join(_OPTIONS)}"
            )


def _signed() -> inspect.Signature:
    """Write the options out as keyword arguments with their types and defaults."""
    given = inspect.signature(downscale).parameters.values()
    own = [parameter for parameter in given if parameter.kind is not parameter.VAR_KEYWORD]
    hints, defaults = get_type_hints(Settings), defaults_of(Settings)
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hints[name]
        )
        for name in _OPTIONS
    ]
    return inspect.Signature([*own, *options], return_annotation=xr.DataArray | xr.Dataset)


downscale.__signature__ = _signed()  # type: ignore[attr-defined]
downscale.__doc__ = f"{downscale.__doc__}\n    Options:\n" + "\n".join(
    f"        {name}: {option.help}" for name, option in _OPTIONS.items()
)
