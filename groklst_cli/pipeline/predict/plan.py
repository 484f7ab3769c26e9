"""From a request to a plan: open the inputs, check all that can be checked, lay the lattice."""

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.conserve import LARGEST_PSF, Conservation
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.downscale.request import Plan, Request, ScaleSource
from groklst_cli.pipeline.predict.ready import NETWORK_OVERLAP, choose
from groklst_cli.pipeline.predict.tile_rows import Layout, Strip
from groklst_models.contract import Method


def open_scene(request: Request) -> Scene:
    """Open the files of a request."""
    return Scene(
        request.lst,
        request.guides,
        request.factor,
        units=request.units,
        resampling=request.resampling,
    )


def plan_of(request: Request, scene: Scene, scale_from: ScaleSource = "option") -> Plan:
    """Say what a request comes to on its scene.

    Raises:
        GroklstError: If it cannot be carried out.
    """
    choice = choose(request.model, scene.bands, scene.scale)
    strip = _strip(request, scene)
    tile = choice.tile - choice.tile % scene.scale if request.tile is None else request.tile
    overlap = request.overlap
    if overlap is None:
        overlap = 0 if choice.is_fitted else min(NETWORK_OVERLAP, tile // 2)
    _check_tiling(tile, overlap, scene.scale)
    conservation_of(request)
    return Plan(
        choice=choice,
        grid=scene.fine.crop(scene.to_fine(strip.rows), scene.to_fine(strip.columns)),
        scale=scene.scale,
        strip=strip,
        tile=tile,
        overlap=overlap - overlap % scene.scale,
        conserve=choice.conserves if request.conserve is None else request.conserve,
        bands=scene.bands,
        resampling={guide.path: guide.method for guide in scene.guides},
        units=scene.lst.units,
        units_from=scene.lst.units_from,
        valid=scene.lst.valid,
        scale_from=scale_from,
    )


def layout_of(
    plan: Plan, request: Request, scene: Scene, method: Method, *, batch: int | None = None
) -> Layout:
    """Cut the whole scene into tiles.

    Args:
        plan: Says how large tiles are.
        request: Says how many a batch has, unless ``batch`` does.
        scene: What is cut.
        method: Says what a tile needs around it.
        batch: Tiles in a batch.
    """
    together = batch if batch is not None else request.batch
    assert together != "auto"
    return Layout.of(
        scene.coarse.shape,
        tile=plan.tile // scene.scale,
        overlap=plan.overlap // scene.scale,
        halo=method.halo,
        batch=together,
    )


def conservation_of(request: Request) -> Conservation:
    """Say which coarse values are to be kept, if any are.

    Raises:
        UsageError: If the sensor's point spread is impossible.
    """
    if not 0 <= request.sensor_psf <= LARGEST_PSF:
        raise UsageError(
            f"--sensor-psf {request.sensor_psf:g} must lie between 0 and {LARGEST_PSF}"
        )
    return Conservation(request.factor, request.radiance, request.sensor_psf)


def _strip(request: Request, scene: Scene) -> Strip:
    rows, columns = slice(0, scene.coarse.height), slice(0, scene.coarse.width)
    if request.bounds is not None:
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
