"""Downscaling one scene, from files to a file."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from groklst_cli import __version__
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import gdal_environment
from groklst_cli.geo.conserve import LARGEST_PSF, Conservation
from groklst_cli.geo.raster import CELSIUS_ZERO
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.writer import OutputFormat, ResultFile, check_target
from groklst_cli.pipeline.ahead import ahead
from groklst_cli.pipeline.coregister import coregister
from groklst_cli.pipeline.methods import NETWORK_OVERLAP, choose, prepare, reads_guide
from groklst_cli.pipeline.picture import before_and_after
from groklst_cli.pipeline.request import Plan, Progress, Request, Result
from groklst_cli.pipeline.strips import Layout, Strip, downscale_strip, surroundings
from groklst_cli.pipeline.uncertainty import Evidence, write_uncertainty
from groklst_models.contract import Method

__all__ = ["Plan", "Progress", "Request", "Result", "downscale", "plan_downscale"]


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
        shifts = coregister(scene, request.coregister, note)
        method = prepare(
            plan.choice,
            scene,
            psf=request.psf,
            device=request.device,
            precision=request.precision,
            note=note,
        )
        layout = _layout(plan, request, scene, method)
        tags = _tags(plan, scene, shifts)
        form = OutputFormat(plan.units, request.nodata, dict(request.creation), tags)
        evidence = Evidence(plan.strip)
        with ResultFile(request.output, plan.grid, form, overwrite=request.overwrite) as result:
            tiles, mean = _stream(
                scene, method, layout, plan, _conservation(request), result, evidence, progress
            )
        if request.uncertainty is not None:
            write_uncertainty(request, plan, scene, method, layout, evidence)
    if request.picture is not None:
        before_and_after(request.lst, request.output, request.picture)
    mean = mean - CELSIUS_ZERO if plan.units == "C" else mean
    return Result(request.output, plan, shifts, tiles, time.monotonic() - began, mean)


def _check_targets(request: Request) -> None:
    for target in request.targets:
        check_target(target, overwrite=request.overwrite)
    if len(set(request.targets)) < len(request.targets):
        raise UsageError(f"{request.output} is named for two outputs; give each its own name")


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
    _conservation(request)
    return Plan(
        choice=choice,
        grid=scene.fine.crop(scene.to_fine(strip.rows), scene.to_fine(strip.columns)),
        strip=strip,
        tile=tile,
        overlap=overlap - overlap % scene.scale,
        conserve=choice.conserves if request.conserve is None else request.conserve,
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


def _conservation(request: Request) -> Conservation:
    if not 0 <= request.sensor_psf <= LARGEST_PSF:
        raise UsageError(
            f"--sensor-psf {request.sensor_psf:g} must lie between 0 and {LARGEST_PSF}"
        )
    return Conservation(request.scale, request.radiance, request.sensor_psf)


def _tags(plan: Plan, scene: Scene, shifts: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    moved = [f"{Path(path).name} {x:+.2f},{y:+.2f}" for path, (x, y) in shifts.items()]
    return {
        "GROKLST_VERSION": __version__,
        "GROKLST_METHOD": plan.choice.tag,
        "GROKLST_SCALE": str(scene.scale),
        "GROKLST_LST": Path(scene.lst.path).name,
        "GROKLST_GUIDES": ", ".join(Path(guide.path).name for guide in scene.guides),
        "GROKLST_BANDS": ", ".join(scene.bands),
        "GROKLST_SHIFTS": "; ".join(moved),
        "GROKLST_CONSERVE": "yes" if plan.conserve else "no",
        "units": "kelvin" if plan.units == "K" else "celsius",
    }


def _stream(
    scene: Scene,
    method: Method,
    layout: Layout,
    plan: Plan,
    conservation: Conservation,
    result: ResultFile,
    evidence: Evidence,
    progress: Progress,
) -> tuple[int, float]:
    """Compute in one thread, read in another, write in this one."""
    kept = conservation if plan.conserve else None
    down, across = layout.tiles_of(surroundings(plan.strip, scene, kept))
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
        conservation=kept,
        reads_guide=reads_guide(method),
        on_tiles=count,
        on_residual=evidence.add_residual,
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
