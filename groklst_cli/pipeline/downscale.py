"""Downscaling one scene, from files to a file."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from groklst_cli import __version__
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import ResamplingName, gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.raster import CELSIUS_ZERO, BandSource, Units
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.writer import OutputFormat, ResultFile, check_target
from groklst_cli.pipeline.ahead import ahead
from groklst_cli.pipeline.methods import (
    NETWORK_OVERLAP,
    Choice,
    PrecisionChoice,
    choose,
    prepare,
    reads_guide,
)
from groklst_cli.pipeline.picture import before_and_after
from groklst_cli.pipeline.strips import Layout, Strip, downscale_strip, surroundings
from groklst_models.contract import Method


@dataclass(frozen=True)
class Request:
    """What to downscale, how, and where to.

    Attributes:
        lst: The coarse raster.
        output: The GeoTIFF to write.
        guides: Guidance files.
        scale: Fine pixels along a coarse one.
        model: ``auto``, a method's key, or a checkpoint's path.
        units: The LST's unit, or None to find out.
        resampling: How guidance comes to the fine grid.
        conserve: Whether coarse means are kept; None means the method's default: fitted
            methods keep them, networks do not.
        tile: Side of a tile, fine pixels; None for the method's own.
        overlap: What neighbouring tiles share, fine pixels; None for the method's own.
        batch: Tiles a network gets at once.
        device: Where a network runs.
        precision: Of a network's arithmetic.
        bounds: Left, bottom, right, top in the LST's CRS; None for all.
        nodata: The output's nodata value.
        creation: GDAL's COG creation options.
        picture: A PNG to draw before and after in, or None.
        overwrite: Whether existing files may be replaced.
    """

    lst: BandSource
    output: Path
    guides: Sequence[BandSource] = ()
    scale: int = 8
    model: str = "auto"
    units: Units | None = None
    resampling: ResamplingName = "auto"
    conserve: bool | None = None
    tile: int | None = None
    overlap: int | None = None
    batch: int = 1
    device: str = "auto"
    precision: PrecisionChoice = "auto"
    bounds: tuple[float, float, float, float] | None = None
    nodata: float = float("nan")
    creation: Mapping[str, str] = field(default_factory=dict)
    picture: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Plan:
    """What a request comes to, once its inputs are known.

    Attributes:
        choice: The method and why it was chosen.
        grid: The output's grid.
        strip: The coarse pixels that are computed.
        tile: Side of a tile, fine pixels.
        overlap: What neighbours share, fine pixels.
        conserve: Whether coarse means are kept.
        bands: Names of the guidance bands.
        resampling: How each guide comes to the fine grid, by file.
        units: Of LST and output.
        units_from: How the unit became known.
        valid: Coarse pixels of the whole LST that hold a value.
    """

    choice: Choice
    grid: Grid
    strip: Strip
    tile: int
    overlap: int
    conserve: bool
    bands: tuple[str, ...]
    resampling: Mapping[str, str]
    units: Units
    units_from: str
    valid: int

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "method": self.choice.name,
            "checkpoint": str(self.choice.checkpoint) if self.choice.checkpoint else None,
            "reason": self.choice.reason,
            "height": self.grid.height,
            "width": self.grid.width,
            "crs": self.grid.crs.to_string(),
            "transform": list(self.grid.transform)[:6],
            "tile": self.tile,
            "overlap": self.overlap,
            "conserve": self.conserve,
            "bands": list(self.bands),
            "resampling": dict(self.resampling),
            "units": self.units,
            "units_from": self.units_from,
            "valid_coarse_pixels": self.valid,
        }


@dataclass(frozen=True)
class Result:
    """What was made.

    Attributes:
        output: The file.
        plan: How.
        tiles: Tiles computed.
        seconds: Wall time from opening the inputs to the finished file.
        mean: Mean of the valid fine pixels, in the output's unit; NaN when there is none.
    """

    output: Path
    plan: Plan
    tiles: int
    seconds: float
    mean: float

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "output": str(self.output),
            **self.plan.to_json(),
            "tiles": self.tiles,
            "seconds": round(self.seconds, 3),
            "mean": None if np.isnan(self.mean) else round(self.mean, 4),
        }


Progress = Callable[[int, int], None]
"""Called with tiles done and tiles in all."""


def plan_downscale(request: Request) -> Plan:
    """Open the inputs, check all that can be checked, and say what would be done.

    Raises:
        GroklstError: If the request cannot be carried out; nothing has been written.
    """
    _check_targets(request)
    with gdal_environment(), _open(request) as scene:
        return _plan(request, scene)


def downscale(
    request: Request,
    *,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda done, total: None,
) -> Result:
    """Carry out a request.

    Args:
        request: What to do.
        note: Told, for people, what was chosen and what is worth knowing.
        progress: Told how far it is.

    Raises:
        GroklstError: If it fails; nothing is left in the output's folder.
    """
    began = time.monotonic()
    _check_targets(request)
    with gdal_environment(), _open(request) as scene:
        plan = _plan(request, scene)
        for line in _explain(plan):
            note(line)
        method = prepare(
            plan.choice, scene, device=request.device, precision=request.precision, note=note
        )
        layout = _layout(plan, request, scene, method)
        form = _output_format(request, plan, scene)
        with ResultFile(request.output, plan.grid, form, overwrite=request.overwrite) as result:
            tiles, mean = _stream(scene, method, layout, plan, result, progress)
    if request.picture is not None:
        before_and_after(request.lst, request.output, request.picture)
    mean = mean - CELSIUS_ZERO if plan.units == "C" else mean
    return Result(request.output, plan, tiles, time.monotonic() - began, mean)


def _check_targets(request: Request) -> None:
    for target in (request.output, request.picture):
        if target is not None:
            check_target(target, overwrite=request.overwrite)


def _open(request: Request) -> Scene:
    return Scene(
        request.lst,
        request.guides,
        request.scale,
        units=request.units,
        resampling=request.resampling,
    )


def _plan(request: Request, scene: Scene) -> Plan:
    choice = choose(request.model, scene.bands, scene.scale)
    strip = _strip(request, scene)
    tile = choice.tile - choice.tile % scene.scale if request.tile is None else request.tile
    overlap = request.overlap
    if overlap is None:
        overlap = 0 if choice.is_fitted else min(NETWORK_OVERLAP, tile // 2)
    _check_tiling(tile, overlap, scene.scale)
    return Plan(
        choice=choice,
        grid=scene.fine.crop(scene.to_fine(strip.rows), scene.to_fine(strip.columns)),
        strip=strip,
        tile=tile,
        overlap=overlap - overlap % scene.scale,
        conserve=choice.is_fitted if request.conserve is None else request.conserve,
        bands=scene.bands,
        resampling={guide.path: guide.method for guide in scene.guides},
        units=scene.lst.units,
        units_from=scene.lst.units_from,
        valid=scene.lst.valid,
    )


def _strip(request: Request, scene: Scene) -> Strip:
    rows, columns = slice(0, scene.coarse.height), slice(0, scene.coarse.width)
    if request.bounds is not None:
        left, bottom, right, top = request.bounds
        if not (left < right and bottom < top):
            raise UsageError("--bounds are LEFT BOTTOM RIGHT TOP, with LEFT < RIGHT, BOTTOM < TOP")
        rows, columns = scene.coarse.window_of(request.bounds)
    if rows.start == rows.stop or columns.start == columns.stop:
        raise InputError(
            f"--bounds lie outside {scene.lst.path}, whose bounds are "
            f"{' '.join(f'{v:.10g}' for v in scene.coarse.bounds)}"
        )
    return Strip(rows, columns)


def _check_tiling(tile: int, overlap: int, scale: int) -> None:
    if tile < scale or tile % scale:
        raise UsageError(f"--tile {tile} is not a multiple of the scale {scale}")
    if not 0 <= overlap <= tile // 2:
        raise UsageError(f"--overlap {overlap} must lie between 0 and half the tile, {tile // 2}")


def _layout(plan: Plan, request: Request, scene: Scene, method: Method) -> Layout:
    return Layout.of(
        scene.coarse.shape,
        tile=plan.tile // scene.scale,
        overlap=plan.overlap // scene.scale,
        halo=method.halo,
        batch=request.batch,
    )


def _output_format(request: Request, plan: Plan, scene: Scene) -> OutputFormat:
    tags = {
        "GROKLST_VERSION": __version__,
        "GROKLST_METHOD": plan.choice.tag,
        "GROKLST_SCALE": str(scene.scale),
        "GROKLST_LST": Path(scene.lst.path).name,
        "GROKLST_GUIDES": ", ".join(Path(guide.path).name for guide in scene.guides),
        "GROKLST_BANDS": ", ".join(scene.bands),
        "GROKLST_CONSERVE": "yes" if plan.conserve else "no",
        "units": "kelvin" if plan.units == "K" else "celsius",
    }
    return OutputFormat(plan.units, request.nodata, dict(request.creation), tags)


def _stream(
    scene: Scene,
    method: Method,
    layout: Layout,
    plan: Plan,
    result: ResultFile,
    progress: Progress,
) -> tuple[int, float]:
    """Compute in one thread, read in another, write in this one."""
    down, across = layout.tiles_of(surroundings(plan.strip, scene, conserve=plan.conserve))
    done, total = 0, len(down) * len(across)

    def count(tiles: int) -> None:
        nonlocal done
        done += tiles
        progress(done, total)

    rows = downscale_strip(
        scene,
        method,
        layout,
        plan.strip,
        conserve=plan.conserve,
        reads_guide=reads_guide(method),
        on_tiles=count,
    )
    value, pixels = 0.0, 0
    with ahead(rows) as finished:
        for first, fine in finished:
            result.write((first - plan.strip.rows.start) * scene.scale, fine)
            valid = np.isfinite(fine)
            value += float(fine.sum(where=valid, dtype=np.float64))
            pixels += int(valid.sum())
    return done, value / pixels if pixels else float("nan")


def _explain(plan: Plan) -> list[str]:
    lines = [f"method {plan.choice.name}: {plan.choice.reason}"]
    if plan.units_from == "values":
        lines.append(f"unit {plan.units}: from the range of values; --lst-units says otherwise")
    lines += [f"guide {path}: {method}" for path, method in plan.resampling.items()]
    lines.append(
        f"output {plan.grid.height} × {plan.grid.width} pixels, "
        f"{plan.grid.pixel_size[0]:g} × {plan.grid.pixel_size[1]:g} CRS units"
    )
    return lines
