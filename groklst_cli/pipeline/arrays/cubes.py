"""Cubes of xarray: several dates of one place, each treated as a separate scene."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
import xarray as xr
from rioxarray.exceptions import RioXarrayError

from groklst_cli.errors import InputError
from groklst_cli.pipeline.arrays.coordinates import typed
from groklst_cli.pipeline.arrays.places import with_dimensions

TIME: Final = "time"

Downscaled = Callable[..., xr.DataArray | xr.Dataset]
"""Downscales LST, guides and masks of one date; takes the prefix of its messages."""


def is_cube(lst: object) -> bool:
    """Return whether an LST has dates; a single date is not a cube."""
    return isinstance(lst, xr.DataArray) and lst.sizes.get(TIME, 1) != 1


def date_by_date(
    downscaled: Downscaled, lst: xr.DataArray, guides: Any, mask: Any, guide_mask: Any
) -> xr.DataArray | xr.Dataset:
    """Downscale each date separately, and concatenate the results along time.

    Raises:
        InputError: If there is no date, an array has other dates than the LST, or the results
            differ in unit or scale.
    """
    if not lst.sizes[TIME]:
        raise InputError("lst has no dates: its dimension time is empty")
    others = {"guides": guides, "mask": mask, "guide_mask": guide_mask}
    for name, given in others.items():
        for said, array in _arrays(name, given):
            _refuse_other_dates(said, array, lst)
    made = [
        downscaled(
            _named_day(lst, number),
            _of_date(lst, number),
            *(_of_date(given, number) for given in others.values()),
        )
        for number in range(lst.sizes[TIME])
    ]
    layers = [one for one in made if isinstance(one, xr.DataArray)]
    if layers:
        return _alike(lst, layers)
    names = list(made[0].keys())
    return xr.Dataset({name: _alike(lst, [one[name] for one in made]) for name in names})


def _alike(lst: xr.DataArray, made: Sequence[xr.DataArray]) -> xr.DataArray:
    """Concatenate results along time, after checking that unit and scale are the same."""
    _refuse_differences(lst, made)
    return _together(lst, made)


def _of_date(given: Any, number: int) -> Any:
    """Select a date from all arrays with dates; arrays without dates are used for every date."""
    if isinstance(given, xr.DataArray):
        return _chosen(given, number) if TIME in given.dims else given
    if isinstance(given, xr.Dataset):
        return given.isel({TIME: number}) if TIME in given.dims else given
    if isinstance(given, Mapping):
        return {name: _of_date(one, number) for name, one in given.items()}
    if isinstance(given, tuple):
        return tuple(_of_date(one, number) for one in given)
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return [_of_date(one, number) for one in given]
    return given


def _chosen(array: xr.DataArray, number: int) -> xr.DataArray:
    """Select a date; the rows, columns and CRS that were set with rioxarray are kept."""
    chosen = array.isel({TIME: number})
    if "grid_mapping" in array.encoding:
        chosen.encoding["grid_mapping"] = array.encoding["grid_mapping"]
    try:
        return with_dimensions(chosen, array.rio.x_dim, array.rio.y_dim)
    except RioXarrayError:  # reported when it is used as a raster
        return chosen


def _arrays(name: str, given: Any) -> Iterator[tuple[str, xr.DataArray | xr.Dataset]]:
    """List the arrays that may have dates, with their names in messages."""
    if isinstance(given, xr.DataArray | xr.Dataset):
        yield name, given
    elif isinstance(given, Mapping):
        for key, one in given.items():
            yield from _arrays(str(key), one)
    elif isinstance(given, Sequence) and not isinstance(given, str | bytes):
        for number, one in enumerate(given, 1):
            own = getattr(one, "name", None)
            yield from _arrays(f"{name} {number}" if own is None else str(own), one)


def _refuse_other_dates(name: str, array: xr.DataArray | xr.Dataset, lst: xr.DataArray) -> None:
    if TIME not in array.dims:
        return
    count, expected = array.sizes[TIME], lst.sizes[TIME]
    remedy = "give it the dates of lst, or no time for all dates"
    if count != expected:
        raise InputError(
            f"{name} has {count} dates, lst has {expected}; {remedy}, as in "
            f"{typed(name)}.isel(time=0, drop=True)"
        )
    if TIME not in array.coords or TIME not in lst.coords:
        return
    own, wanted = array[TIME].values, lst[TIME].values
    if (differ := np.flatnonzero(own != wanted)).size:
        first = int(differ[0])
        raise InputError(
            f"{name} has the date {_word(own[first])} where lst has {_word(wanted[first])}; "
            f"{remedy}, as in {typed(name)}.sel(time=lst.time, "
            "method='nearest').assign_coords(time=lst.time)"
        )


def _named_day(lst: xr.DataArray, number: int) -> str:
    if TIME not in lst.coords:
        return f"date {number + 1}"
    return _word(lst[TIME].values[number])


def _word(date: Any) -> str:
    """Return a date in its shortest form."""
    if isinstance(date, np.datetime64):
        return np.datetime_as_string(date, unit="s").removesuffix("T00:00:00")
    return str(date)


def _refuse_differences(lst: xr.DataArray, made: Sequence[xr.DataArray]) -> None:
    for key, remedy in (("units", "lst_units='K'"), ("scale", "scale=8")):
        found = [one.attrs[key] for one in made]
        for number, value in enumerate(found):
            if value != found[0]:
                raise InputError(
                    f"the results of lst have {key} {found[0]} on {_named_day(lst, 0)} and "
                    f"{value} on {_named_day(lst, number)}; set one for all dates, as in {remedy}"
                )


def _together(lst: xr.DataArray, made: Sequence[xr.DataArray]) -> xr.DataArray:
    """Order results like the LST's dimensions, with its time coordinates."""
    first = made[0]
    rows, columns, place = first.rio.y_dim, first.rio.x_dim, first.rio.grid_mapping
    placed = {name: first.coords[name] for name in (rows, columns, place) if name in first.coords}
    kept = {n: c for n, c in lst.coords.items() if c.dims in ((TIME,), ()) and n not in placed}
    methods = dict.fromkeys(one.attrs["method"] for one in made)
    cube = xr.DataArray(
        _stacked([one.variable.data for one in made]),
        dims=(TIME, *first.dims),
        coords={**kept, **placed},
        name=first.name,
        attrs={**first.attrs, "method": ", ".join(methods)},
    ).transpose(*(dim for dim in lst.dims if dim in (TIME, rows, columns)))
    cube.encoding.update(first.encoding)
    return with_dimensions(cube, columns, rows)


def _stacked(arrays: Sequence[Any]) -> Any:
    if all(isinstance(values, np.ndarray) for values in arrays):
        return np.stack(arrays)
    lazily: Any = import_module("dask.array")  # has no types
    return lazily.stack(arrays)
