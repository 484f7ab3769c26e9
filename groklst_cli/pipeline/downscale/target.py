"""The requested grid, if it is not the refined grid of the LST."""

import math
from dataclasses import replace
from typing import Final

from affine import Affine

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import grid_of, open_raster
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.choice import header_of
from groklst_cli.pipeline.predict.default_scale import FoundScale, scale_of_files
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.settings import SCALES

_NEAR: Final = 1e-3
"""Largest difference of a ratio from a whole number, as a share of a pixel."""

_AROUND: Final = 3
"""Coarse pixels that are downscaled around the target, so that its edges have surroundings."""

_LARGEST: Final = 2**32
"""Largest number of pixels of a target; more suggest a wrong unit, metres for degrees."""


def find_scale(request: Request) -> FoundScale:
    """Find the scale: as requested, from the target's pixel, or from the files.

    Raises:
        GroklstError: If it cannot be found, or a file cannot be opened.
    """
    if not request.has_target or request.scale is not None or header_of(request.model) is not None:
        return scale_of_files(request, request.lst, request.guides)
    coarse = _coarse_of(request)
    target = _target_on(request, coarse)
    along = coarse.pixels_per_pixel_of(target)
    if not math.isfinite(along):
        raise _apart(request)
    scale = max(SCALES[0], math.ceil(1 / along - _NEAR))
    wide = f"a pixel of {request.lst.path} is as wide as {1 / along:.4g} pixels of the target"
    if scale > SCALES[-1]:
        raise UsageError(
            f"{wide}, but can be refined by {SCALES[-1]} at most; use a coarser target, or add "
            f"--scale {SCALES[-1]} to interpolate the rest"
        )
    return FoundScale(scale, "target", wide)


def target_of(request: Request) -> Grid | None:
    """Return the target grid; None for the refined grid of the LST.

    Raises:
        GroklstError: If it cannot be found.
    """
    return _target_on(request, _coarse_of(request)) if request.has_target else None


def toward(plan: Plan, coarse: Grid, target: Grid | None, request: Request) -> Plan:
    """Return the part of the LST's grid under a target, with surroundings.

    Raises:
        InputError: If nothing does.
    """
    if target is None:
        return plan
    rows, columns = under(coarse, target, request)
    strip = Strip(_both(plan.strip.rows, rows), _both(plan.strip.columns, columns))
    if strip.rows.start >= strip.rows.stop or strip.columns.start >= strip.columns.stop:
        raise _apart(request)
    s = plan.scale
    fine = coarse.refine(s).crop(
        slice(strip.rows.start * s, strip.rows.stop * s),
        slice(strip.columns.start * s, strip.columns.stop * s),
    )
    return replace(plan, strip=strip, grid=fine, target=target)


def under(coarse: Grid, target: Grid, request: Request) -> tuple[slice, slice]:
    """Find the coarse rows and columns that lie under a target, with surroundings.

    Raises:
        InputError: If none does.
    """
    copies = coarse.copies_over(target)
    if not copies:
        raise _apart(request)
    if len(copies) > 1:  # across the edge of the longitudes
        return slice(0, coarse.height), slice(0, coarse.width)
    return copies[0].window_under(target, _AROUND)


def _coarse_of(request: Request) -> Grid:
    with open_raster(request.lst.path) as opened:
        return grid_of(opened)


def _target_on(request: Request, coarse: Grid) -> Grid:
    if request.like is not None:
        with open_raster(request.like) as opened:
            return grid_of(opened)
    assert request.resolution is not None
    if request.bounds is not None:
        rows, columns = coarse.window_of(request.bounds)
        if rows.start < rows.stop and columns.start < columns.stop:  # else the plan refuses them
            coarse = coarse.crop(rows, columns)
    return _resolved(coarse, request.resolution)


def _resolved(coarse: Grid, side: float) -> Grid:
    """Make a grid of square pixels from another grid's origin along its axes.

    Raises:
        UsageError: If they are coarser than the grid's, or too many.
    """
    wide, high = coarse.pixel_size
    if side > max(wide, high):
        raise UsageError(
            f"--resolution {side:g} is coarser than the LST's pixel of {wide:g} × {high:g} CRS "
            "units; use a smaller one"
        )
    t = coarse.transform
    across, down = side / wide, side / high
    transform = Affine(t.a * across, t.b * down, t.c, t.d * across, t.e * down, t.f)
    width, height = (
        max(1, math.ceil(size / step - _NEAR))
        for size, step in ((coarse.width, across), (coarse.height, down))
    )
    if width * height > _LARGEST:
        raise UsageError(
            f"--resolution {side:g} makes {height} × {width} pixels of the LST, whose pixel is "
            f"{wide:g} × {high:g} CRS units; state it in these units"
        )
    return Grid(coarse.crs, transform, height, width)


def _both(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _apart(request: Request) -> InputError:
    return InputError(
        f"{request.like or 'the target'} does not overlap {request.lst.path}, or the part of it "
        "inside --bounds; name a raster of the same place"
    )
