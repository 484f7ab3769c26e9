"""Check xarray arrays and convert them to rasters."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Final

import numpy as np
import xarray as xr

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.masks import parse_rule
from groklst_cli.pipeline.arrays.coordinates import call, typed
from groklst_cli.pipeline.arrays.places import grid_of_array, with_dimensions, with_place
from groklst_cli.pipeline.arrays.rasters import ArrayMask, ArrayMasks, ArrayRaster, Frame

Guides = xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray] | Sequence[xr.DataArray]
"""Guides: a dataset, arrays by name, named arrays, or a single array."""

_STORED_AS: Final = {"bool": "uint8", "float16": "float32"}  # which no GeoTIFF holds


Mask = xr.DataArray | tuple[xr.DataArray, str]
"""A mask of 0 and 1, or of booleans, which is clear where it is 1; or values with a rule."""

GuideMasks = Mask | Mapping[str, Mask]
"""A mask for all guides, or one for each named band."""


def one_layer(name: str, array: object) -> xr.DataArray:
    """Convert the LST: rows and columns, and other dimensions only of length one.

    Raises:
        UsageError: If it is not an xarray array.
        InputError: If it has several layers, or its rows and columns are not known.
    """
    placed = with_place(name, _data_array(name, array))
    others = [dim for dim in placed.dims if dim not in (placed.rio.y_dim, placed.rio.x_dim)]
    several = {dim: placed.sizes[dim] for dim in others if placed.sizes[dim] != 1}
    if several:
        found = " and ".join(f"{n} {_layers(dim)}" for dim, n in several.items())
        raise InputError(
            f"{name} has {found}, expected one LST; choose one, as in "
            + call(name, "isel", dict.fromkeys(several, "0"))
        )
    if not others:
        return placed
    single = placed.squeeze(others)
    single = single.drop_vars("band", errors="ignore") if "band" in others else single
    return with_dimensions(single, placed.rio.x_dim, placed.rio.y_dim)


def guide_rasters(guides: Guides | None) -> list[ArrayRaster]:
    """Convert guides to rasters.

    Raises:
        UsageError: If it is not valid as guides, an array has no name, or two bands have the same
            one.
        InputError: If an array cannot be used.
    """
    rasters = [raster(name, array) for name, array in _named(guides)]
    counted = Counter(band for guide in rasters for band in guide.frame.bands)
    twins = sorted(name for name, count in counted.items() if count > 1)
    if twins:
        raise UsageError(
            f"several guidance bands are named {', '.join(twins)}; give each its own name, "
            "as in guide.rename('red')"
        )
    return rasters


def mask_arrays(mask: Mask | None, guide_mask: GuideMasks | None) -> ArrayMasks:
    """Convert arrays to masks.

    Raises:
        UsageError: If one is not an array, or has a rule that is not valid.
        InputError: If one cannot be used.
    """
    by_band = guide_mask if isinstance(guide_mask, Mapping) else {None: guide_mask}
    return ArrayMasks(
        () if mask is None else (_mask("mask", mask, None),),
        tuple(
            _mask("guide_mask", given, band) for band, given in by_band.items() if given is not None
        ),
    )


def _mask(name: str, given: object, band: str | None) -> ArrayMask:
    values, rule = given if isinstance(given, tuple) and len(given) == 2 else (given, "")
    layer = raster(name, one_layer(name, values))
    return ArrayMask(layer, parse_rule(str(rule)), band)


def raster(name: str, given: object) -> ArrayRaster:
    """Convert an array to a raster.

    Raises:
        UsageError: If it is not an xarray array.
        InputError: If it has no rows and columns, no CRS, no position, or no real numbers.
    """
    array = with_place(name, _data_array(name, given))
    rows, columns = array.rio.y_dim, array.rio.x_dim
    bands = [dim for dim in array.dims if dim not in (rows, columns)]
    if len(bands) > 1:
        raise InputError(
            f"{name} has dimensions {', '.join(map(str, array.dims))}, expected rows, columns and "
            f"optionally bands; choose one {bands[0]}, as in {call(name, 'isel', {bands[0]: '0'})}"
        )
    ordered = array.transpose(*bands, rows, columns)
    frame = Frame(
        name=name,
        grid=grid_of_array(name, array),
        dtype=_stored_type(name, array.dtype),
        bands=_band_names(name, ordered) if bands else (name,),
        nodata=_nodata(array),
        scale=_number(name, array, "scale_factor", 1.0),
        offset=_number(name, array, "add_offset", 0.0),
        tags={k: str(v) for k, v in array.attrs.items() if k.lower() in ("unit", "units")},
    )
    _refuse_scaled_floats(frame)
    values = ordered.values if ordered.chunks is None else ordered.data
    return ArrayRaster(frame, values if bands else values[None])


def _named(guides: Guides | None) -> Iterator[tuple[str, object]]:
    """Find the name of each guide."""
    if guides is None:
        return
    if isinstance(guides, xr.Dataset):
        for name, variable in guides.items():
            if variable.ndim:  # variables without pixels describe the others
                yield str(name), _of_dataset(str(name), variable)
    elif isinstance(guides, Mapping):
        for name, guide in guides.items():
            yield str(name), guide
    elif isinstance(guides, Sequence) and not isinstance(guides, str | bytes):
        yield from _of_sequence(guides)
    else:
        yield from _of_sequence([_data_array("guides", guides)])


def _of_dataset(name: str, variable: xr.DataArray) -> xr.DataArray:
    """Refuse a variable without rows and columns, such as bounds of time or pixels."""
    try:
        return with_place(name, variable)
    except InputError as error:
        raise InputError(f"{error}, or leave it out: guides.drop_vars({name!r})") from error


def _of_sequence(guides: Sequence[object]) -> Iterator[tuple[str, object]]:
    for position, given in enumerate(guides, 1):
        guide = _data_array(f"guide {position}", given)
        if guide.name is None and not _described(guide):
            raise UsageError(
                f"guide {position} has no name; name it, as in guide.rename('red'), or give "
                "guides={'red': guide}"
            )
        yield f"guide {position}" if guide.name is None else str(guide.name), guide


def _data_array(name: str, given: object) -> xr.DataArray:
    """Refuse objects that are not xarray arrays, and say how to convert them."""
    if isinstance(given, xr.DataArray):
        return given
    if isinstance(given, xr.Dataset):
        held = [str(key) for key, variable in given.items() if variable.ndim]
        found = f"{name} is a Dataset of {', '.join(held) or 'no arrays'}, expected one array"
        raise UsageError(f"{found}; choose it, as in {typed(name)}[{held[0]!r}]" if held else found)
    kind = f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
    found = f"{name} is a {kind}, expected an xarray.DataArray"
    if isinstance(given, str | PathLike):
        raise UsageError(f"{found}; open the file, as in rioxarray.open_rasterio({given!r})")
    if isinstance(ndim := getattr(given, "ndim", None), int) and hasattr(given, "shape"):
        dims = ("band", "y", "x") if ndim == 3 else ("y", "x")
        raise UsageError(
            f"{found}, which has a position; add one, as in xarray.DataArray({typed(name)}, "
            f"dims={dims}).rio.write_transform(affine.Affine(…)).rio.write_crs('EPSG:…')"
        )
    raise UsageError(f"{found}, as rioxarray.open_rasterio(FILE) returns")


def _layers(dim: Any) -> str:
    return "bands" if dim == "band" else f"layers along {dim}"


def _described(array: xr.DataArray) -> tuple[str, ...]:
    """Return the names of bands that rioxarray read from descriptions, or none."""
    described = array.attrs.get("long_name")
    bands = array.sizes[array.dims[0]] if array.ndim == 3 else 1
    if isinstance(described, tuple) and len(described) == bands and all(described):
        return tuple(map(str, described))
    return ()


def _band_names(name: str, array: xr.DataArray) -> tuple[str, ...]:
    """Name bands by the descriptions that rioxarray read, or number them."""
    described = array.attrs.get("long_name")
    if isinstance(described, tuple) and len(described) == len(array):
        return tuple(text or f"{name}_{n}" for n, text in enumerate(described, 1))
    return (name,) if len(array) == 1 else tuple(f"{name}_{n + 1}" for n in range(len(array)))


def _stored_type(name: str, dtype: np.dtype[Any]) -> str:
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InputError(f"{name} holds {dtype}; expected real numbers of at most 64 bits")
    plain = dtype.newbyteorder("=").name
    return _STORED_AS.get(plain, plain)


def _number(name: str, array: xr.DataArray, key: str, default: float) -> float:
    """Read a number from the attributes."""
    given = array.attrs.get(key, default)
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} has {key} {given!r} in its attrs, expected a number; set the right one, as in "
            f"{typed(name)}.assign_attrs({key}={default:g})"
        ) from error


def _refuse_scaled_floats(frame: Frame) -> None:
    """Refuse floats with a scale, because it may have been applied already."""
    if np.dtype(frame.dtype).kind == "f" and (frame.scale, frame.offset) != (1.0, 0.0):
        raise InputError(
            f"{frame.name} is {frame.dtype} and has scale_factor {frame.scale:g} and add_offset "
            f"{frame.offset:g} in its attrs, which may have been applied already; if they were, "
            f"drop them: {typed(frame.name)}.assign_attrs(scale_factor=1, add_offset=0); if not, "
            "open it with mask_and_scale=True, as in rioxarray.open_rasterio(FILE, "
            "mask_and_scale=True)"
        )


def _nodata(array: xr.DataArray) -> float | None:
    """Return the value of pixels without one, if the type can hold it."""
    nodata = array.rio.nodata
    if nodata is None or array.dtype.kind == "f":
        return None if nodata is None else float(nodata)
    kind = np.uint8 if array.dtype.kind == "b" else array.dtype
    limits = np.iinfo(kind)
    held = np.isfinite(nodata) and limits.min <= nodata <= limits.max and int(nodata) == nodata
    return int(nodata) if held else None
