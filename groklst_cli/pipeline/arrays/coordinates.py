"""Coordinates of xarray arrays: check that they are the centres of pixels, or say what is wrong."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import numpy as np
import xarray as xr
from affine import Affine

from groklst_cli.errors import InputError

_SAME_PLACE: Final = 1e-3  # pixels
_MOST_ROUNDING: Final = 0.1  # pixels


def typed(name: str) -> str:
    """Return how an array of that name is typed in Python."""
    return name if name.isidentifier() else "array"


def call(name: str, verb: str, along: Mapping[Any, str], **more: str) -> str:
    """Return a call with dimensions as it is typed in Python."""
    if all(str(dim).isidentifier() for dim in along):
        words = [f"{dim}={text}" for dim, text in along.items()]
    else:
        words = [f"{{{', '.join(f'{dim!r}: {text}' for dim, text in along.items())}}}"]
    words += [f"{key}={text}" for key, text in more.items()]
    return f"{typed(name)}.{verb}({', '.join(words)})"


def placing(name: str) -> str:
    """Return the call that sets a transform."""
    return f"{typed(name)}.rio.write_transform(affine.Affine(…))"


def agree(transform: Affine, array: xr.DataArray) -> bool:
    """Return whether the coordinates, if there are any, are the centres of pixels."""
    if transform.b or transform.d:
        return True  # rotated: row and column coordinates do not apply
    along = (array.rio.x_dim, transform.c, transform.a), (array.rio.y_dim, transform.f, transform.e)
    for dimension, start, step in along:
        if dimension in array.coords:
            given = array.coords[dimension].values
            middles = start + step * (np.arange(array.sizes[dimension]) + 0.5)
            if not np.all(np.abs(given - middles) <= _tolerance(given, abs(step))):
                return False
    return True


def _tolerance(given: np.ndarray, step: float) -> float:
    """Return the largest rounding error of coordinates, CRS units; 32-bit floats are rounded."""
    rounding = 0.0
    if given.dtype.kind == "f":
        rounding = float(np.spacing(np.abs(given).max()))
    return max(_SAME_PLACE * step, min(rounding, _MOST_ROUNDING * step))


def refuse_strange(name: str, array: xr.DataArray) -> None:
    """Refuse coordinates that are not numbers."""
    for dim in (array.rio.y_dim, array.rio.x_dim):
        if dim not in array.coords:
            continue
        given = array.coords[dim].values
        if given.dtype.kind not in "iuf":
            raise InputError(
                f"{name} has coordinates {dim} of type {given.dtype}, expected numbers in the "
                "unit of its CRS; drop them, and set a transform: "
                f"{typed(name)}.drop_vars({dim!r}).rio.write_transform(affine.Affine(…))"
            )
        if not np.isfinite(given).all():
            raise InputError(
                f"{name} has coordinates {dim} that are not finite; drop them, as in "
                + call(name, "isel", {dim: f"numpy.isfinite({typed(name)}[{dim!r}].values)"})
            )


def refuse_uneven(name: str, array: xr.DataArray) -> NoReturn:
    """Say what is wrong with coordinates, and how to make them even."""
    for dim in (array.rio.y_dim, array.rio.x_dim):
        if dim in array.coords and (wrong := _unevenness(name, array, dim)):
            raise InputError(wrong)
    raise InputError(
        f"{name} has a single row or column, so its coordinates do not give the size of a pixel; "
        f"set a transform: {placing(name)}"
    )


def _unevenness(name: str, array: xr.DataArray, dim: Any) -> str | None:
    given = array.coords[dim].values.astype(float)
    values, counts = np.unique(given, return_counts=True)
    if counts.max() > 1:
        twice = values[counts.argmax()]
        return (
            f"{name} has {dim} {twice:.10g} {counts.max()} times; keep one, as in "
            f"{typed(name)}.drop_duplicates({dim!r})"
        )
    steps = np.diff(given)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        return f"{name} has {dim} out of order; sort it, as in {typed(name)}.sortby({dim!r})"
    steps = np.abs(steps)
    if not steps.size or np.ptp(steps) <= 2 * _tolerance(array.coords[dim].values, steps.min()):
        return None
    found = f"{name} has {dim} not evenly spaced: {steps.min():.6g} to {steps.max():.6g} apart"
    return f"{found}; {_evened(name, given, dim)}"


def _evened(name: str, given: np.ndarray, dim: Any) -> str:
    """Say how to make coordinates even: insert missing ones, or interpolate uneven ones."""
    steps = np.abs(np.diff(given))
    step = float(steps.min())
    gaps = np.all(np.abs(steps / step - np.round(steps / step)) < 0.01)
    count = (
        round(float(abs(given[-1] - given[0])) / (step if gaps else float(np.median(steps)))) + 1
    )
    if count > 10 * len(given):
        return "interpolate it to evenly spaced coordinates"
    even = f"numpy.linspace({float(given[0])!r}, {float(given[-1])!r}, {count})"
    if gaps:
        near = call(name, "reindex", {dim: even}, method="'nearest'", tolerance=f"{step / 10:.3g}")
        return f"insert the missing ones, as in {near}"
    return f"interpolate it, as in {call(name, 'interp', {dim: even})}"
