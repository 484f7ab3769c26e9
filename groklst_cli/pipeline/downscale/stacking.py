"""All results of a series in one file: checks at the start, and the file at the end."""

import math
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from groklst_cli.data.scenes import seen_at
from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import grid_of, open_raster
from groklst_cli.geo.stack import ZARR, Layer, not_a_stack, write_stack
from groklst_cli.geo.targets import check_target, refuse_left_behind, same_file, spare
from groklst_cli.pipeline.downscale.request import Refused, Request
from groklst_cli.pipeline.downscale.target import find_scale, target_of

_NAMES: Final = (".tif", ".tiff", ZARR)


def check_stack(stack: Path, requests: Collection[Request]) -> None:
    """Refuse a stack that could not be written, before any scene is downscaled.

    Raises:
        OutputExistsError: If it exists and must not be replaced.
        UsageError: If its name says neither format, Zarr is not installed or a date is missing for
            it, or the maps would lie on several grids.
    """
    if stack.suffix not in _NAMES:
        raise UsageError(
            f"--stack {stack} is neither a GeoTIFF nor a Zarr by its name; give it the ending "
            ".tif or .zarr"
        )
    if stack.suffix == ZARR:
        _check_zarr(stack, overwrite=_may_replace(requests))
    else:
        check_target(stack, overwrite=_may_replace(requests))
        refuse_left_behind(stack, overwrite=_may_replace(requests))
    for request in requests:
        spare([stack], map(Path, request.rasters))
        if any(same_file(stack, target) for target in request.targets):
            raise UsageError(
                f"--stack {stack} is also the output of {request.lst.path}; rename one"
            )
    _refuse_several_grids(requests, dated=stack.suffix == ZARR)


def make_stack(stack: Path, requests: Collection[Request]) -> list[str]:
    """Write the results of finished requests into one file, by date; return the dates.

    Raises:
        GroklstError: If it cannot be written; nothing is left under its name.
    """
    with gdal_environment():
        layers = sorted(map(_layer, requests), key=lambda layer: (_order(layer), layer.name))
        creation = next(iter(requests)).creation
        write_stack(stack, layers, creation, overwrite=_may_replace(requests))
    return [layer.name for layer in layers]


def _check_zarr(stack: Path, *, overwrite: bool) -> None:
    if find_spec("zarr") is None:
        raise UsageError("a Zarr needs the package zarr; type: pip install 'groklst[zarr]'")
    if not stack.parent.is_dir():
        raise UsageError(f"there is no folder {stack.parent}; create it first")
    if stack.exists() and not overwrite:
        raise OutputExistsError(f"{stack} exists; add --overwrite to replace it")
    if stack.exists() and not_a_stack(stack):
        raise OutputExistsError(
            f"{stack} exists, and groklst did not write it; name another --stack"
        )


def _may_replace(requests: Collection[Request]) -> bool:
    first = next(iter(requests))
    return first.overwrite or first.resume or first.skip_existing


def _layer(request: Request) -> Layer:
    seen = seen_at(request.lst.path)
    if seen is None:
        return Layer(request.output, request.output.stem, None)
    return Layer(request.output, str(seen), seen.seconds)


def _order(layer: Layer) -> float:
    return math.inf if layer.seconds is None else layer.seconds


def _refuse_several_grids(requests: Collection[Request], *, dated: bool) -> None:
    """Compare the grids of the results as far as they are known; failing scenes fail in their turn.

    Raises:
        UsageError: If two differ, or a date is missing.
    """
    first: tuple[Request, Grid] | None = None
    for request in requests:
        try:
            with gdal_environment(online=request.online):
                grid, seen = _grid(request), seen_at(request.lst.path)
        except (GroklstError, OSError):
            continue
        if dated and seen is None:
            raise UsageError(
                f"{request.lst.path} has no date, which a Zarr needs for its time; add it to "
                'scene.json, as in {"date": "2024-07-15"}, or use --stack FILE.tif'
            )
        first = first or (request, grid)
        if grid != first[1]:
            raise UsageError(
                f"the result of {request.lst.path} would be on another grid than that of "
                f"{first[0].lst.path}, but --stack needs one grid; add --like RASTER"
            )


def _grid(request: Request) -> Grid:
    """Return the grid of a request's result.

    Raises:
        GroklstError: If it cannot be found.
    """
    if isinstance(request, Refused):
        raise request.why
    if (target := target_of(request)) is not None:
        return target
    with open_raster(request.lst.path) as raster:
        coarse = grid_of(raster)
    if request.bounds is not None:
        coarse = coarse.crop(*coarse.window_of(request.bounds))
    return coarse.refine(find_scale(request).value)
