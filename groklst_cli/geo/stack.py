"""Stack results of one grid in one file: a COG with a band per result, or a Zarr with a time axis.

Results are read from their files strip by strip, so memory does not grow with their number or
height.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from groklst_cli.errors import GroklstError, InputError
from groklst_cli.geo.companions import STATUS_TAG
from groklst_cli.geo.flaws import block_flaw
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.pixel_hash import JOB_TAG, PIXELS_TAG
from groklst_cli.geo.targets import Finished
from groklst_cli.geo.whole_folder import whole_folder
from groklst_cli.geo.workplace import Workplace
from groklst_cli.geo.writer import cog_options

ZARR: Final = ".zarr"

_STRIP: Final = 512  # rows, and the side of a chunk
_BLOCK: Final = 2**25  # bytes that all bands of a block may take
_OWN: Final = (JOB_TAG, PIXELS_TAG, "AREA_OR_POINT")
"""Tags that describe one file and not its content."""


@dataclass(frozen=True)
class Layer:
    """One result of a stack.

    Attributes:
        path: Its file, which groklst wrote.
        name: Its name: its date, or its file name.
        seconds: Time of acquisition, seconds since 1970 in UTC; None if it is not known.
    """

    path: Path
    name: str
    seconds: int | None


@dataclass(frozen=True)
class _Alike:
    """What all results of a stack have in common.

    Attributes:
        grid: Of each.
        unit: Of their values.
        tags: Tags that are the same in all, and the methods of all.
    """

    grid: Grid
    unit: str
    tags: Mapping[str, str]


def write_stack(
    target: Path, layers: Sequence[Layer], creation: Mapping[str, str], *, overwrite: bool
) -> None:
    """Write results into one file, which appears complete or not at all.

    Args:
        target: The file; a folder, where its name ends in ``.zarr``.
        layers: In their order.
        creation: GDAL's COG creation options that differ from ours.
        overwrite: Whether a stack that stands there may be replaced.

    Raises:
        InputError: If the results differ in grid or unit.
        OutputExistsError: If it exists and must not be replaced.
        GroklstError: If it cannot be written.
    """
    alike = _alike(layers)
    try:
        if target.suffix == ZARR:
            inputs = [layer.path for layer in layers]
            with whole_folder(
                target, overwrite=overwrite, inputs=inputs, foreign=not_a_stack, option="--stack"
            ) as folder:
                _write_zarr(folder, layers, alike)
            return
        place = Workplace(target)
        place.enter()
        try:
            place.clear()
            finished = Finished(_make_cog(place.folder, layers, alike, creation), target, overwrite)
            finished.check()
            finished.place()
        finally:
            place.leave(keep=False)
    except GroklstError:
        raise
    except (RasterioError, OSError) as error:
        raise GroklstError(f"{target} could not be written: {error}") from error


def not_a_stack(folder: Path) -> Path | None:
    """Return a folder if it is not a Zarr that this module wrote."""
    try:
        stated = json.loads((folder / ".zattrs").read_text(encoding="utf-8"))
        return None if stated.get(STATUS_TAG) == "complete" else folder
    except (OSError, ValueError, AttributeError):
        return folder


def _alike(layers: Sequence[Layer]) -> _Alike:
    found: _Alike | None = None
    methods: dict[str, None] = {}
    for layer in layers:
        with rasterio.open(layer.path, driver="GTiff") as raster:
            grid = Grid(raster.crs, raster.transform, raster.height, raster.width)
            unit, tags = raster.units[0] or "", raster.tags()
        methods[tags.get("GROKLST_METHOD", "")] = None
        own = _Alike(grid, unit, {k: v for k, v in tags.items() if k not in _OWN})
        found = own if found is None else _common(layers[0], found, layer, own)
    assert found is not None
    return _Alike(found.grid, found.unit, {**found.tags, "GROKLST_METHOD": ", ".join(methods)})


def _common(first: Layer, found: _Alike, layer: Layer, own: _Alike) -> _Alike:
    if own.grid != found.grid:
        raise InputError(
            f"{layer.path} is on another grid than {first.path}; resample all to one grid with "
            f"--like {first.path}"
        )
    if own.unit != found.unit:
        raise InputError(
            f"{layer.path} is in {own.unit}, {first.path} in {found.unit}; state the unit with "
            "--lst-units"
        )
    return _Alike(found.grid, found.unit, dict(found.tags.items() & own.tags.items()))


def _strips(grid: Grid) -> list[Window]:
    return [
        Window(0, row, grid.width, min(_STRIP, grid.height - row))
        for row in range(0, grid.height, _STRIP)
    ]


def _make_cog(
    folder: Path, layers: Sequence[Layer], alike: _Alike, creation: Mapping[str, str]
) -> Path:
    rows, made, grid = folder / "rows.tif", folder / "result.tif", alike.grid
    needed, free = 4 * len(layers) * grid.height * grid.width, shutil.disk_usage(folder).free
    if needed > free:
        raise GroklstError(
            f"the stack needs {needed / 2**30:.3g} GiB while it is written, "
            f"{free / 2**30:.3g} GiB are free; make room, or write to another disk"
        )
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": len(layers), "height": grid.height,
        "width": grid.width, "crs": grid.crs, "transform": grid.transform, "nodata": np.nan,
        "INTERLEAVE": "BAND", "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with rasterio.open(rows, "w", **profile) as file:
        dates = ", ".join(layer.name for layer in layers)
        file.update_tags(**{**alike.tags, STATUS_TAG: "complete", "GROKLST_DATES": dates})
        for band, layer in enumerate(layers, 1):
            file.set_band_description(band, layer.name)
            file.set_band_unit(band, alike.unit)
            with rasterio.open(layer.path, driver="GTiff") as raster:
                file.update_tags(band, GROKLST_DATE=raster.tags().get("GROKLST_DATE", ""))
                for window in _strips(grid):
                    file.write(_values(raster, window), band, window=window)
    options = {"BLOCKSIZE": str(_block_side(len(layers))), **_upper(creation)}
    rasterio.shutil.copy(rows, made, driver="COG", **cog_options(options))
    rows.unlink()
    with rasterio.open(made) as result:
        flaw = block_flaw(result, made.stat().st_size, sparse=bool(creation))
        whole = result.count == len(layers) and result.tags().get(STATUS_TAG) == "complete"
        if flaw is not None or not whole:
            raise GroklstError(
                f"the stack was not written completely: it {flaw}; is the disk full?"
            )
    return made


def _upper(creation: Mapping[str, str]) -> dict[str, str]:
    return {key.upper(): value for key, value in creation.items()}


def _block_side(bands: int) -> int:
    """Choose the side of a block, which holds all bands and is kept whole in memory."""
    side = 512
    while side > 64 and 4 * bands * side * side > _BLOCK:
        side //= 2
    return side


def _values(raster: Any, window: Window) -> NDArray[np.float32]:
    """Read a map's values, NaN where it has none."""
    values: NDArray[np.float32] = raster.read(1, window=window, masked=True).filled(np.nan)
    return values


def _write_zarr(folder: Path, layers: Sequence[Layer], alike: _Alike) -> None:
    """Write Zarr version 2 with CF attributes, which older readers also understand."""
    import zarr

    grid, count = alike.grid, len(layers)
    store: Any = zarr.open_group(str(folder), mode="w", zarr_format=2)
    shape = count, grid.height, grid.width
    lst = _array(
        store, "lst", ("time", "y", "x"), shape, (1, _STRIP, _STRIP), "float32",
        {
            "standard_name": "surface_temperature", "long_name": "land surface temperature",
            "units": alike.unit, "grid_mapping": "spatial_ref",
        },
    )  # fmt: skip
    times = _array(
        store, "time", ("time",), (count,), (count,), "int64",
        {
            "standard_name": "time", "units": "seconds since 1970-01-01",
            "calendar": "proleptic_gregorian",
        },
    )  # fmt: skip
    times[:] = np.array([layer.seconds for layer in layers], np.int64)
    _write_place(store, grid)
    for number, layer in enumerate(layers):
        with rasterio.open(layer.path, driver="GTiff") as raster:
            for window in _strips(grid):
                stop = window.row_off + window.height
                lst[number, window.row_off : stop, :] = _values(raster, window)
    store.attrs.update({"Conventions": "CF-1.8", **alike.tags, STATUS_TAG: "complete"})
    zarr.consolidate_metadata(str(folder), zarr_format=2)


def _write_place(store: Any, grid: Grid) -> None:
    t = grid.transform
    place = _array(store, "spatial_ref", (), (), (), "int64", {
        "crs_wkt": grid.crs.to_wkt(), "spatial_ref": grid.crs.to_wkt(),
        "GeoTransform": " ".join(f"{value!r}" for value in map(float, t.to_gdal())),
    })  # fmt: skip
    place[()] = 0
    if t.b or t.d:  # in a rotated grid, y varies along a row
        return
    for name, step, start, size in (
        ("x", t.a, t.c, grid.width),
        ("y", t.e, t.f, grid.height),
    ):
        kind = "longitude" if name == "x" else "latitude"
        facts = (
            {"standard_name": kind, "units": "degrees_north" if name == "y" else "degrees_east"}
            if grid.crs.is_geographic
            else {"standard_name": f"projection_{name}_coordinate"}
        )
        axis = _array(store, name, (name,), (size,), (size,), "float64", facts)
        axis[:] = start + step * (np.arange(size) + 0.5)


def _array(
    store: Any,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    kind: str,
    facts: Mapping[str, Any],
) -> Any:
    made = store.create_array(
        name,
        shape=shape,
        chunks=chunks or "auto",
        dtype=kind,
        fill_value=np.nan if kind == "float32" else None,
    )
    made.attrs.update({"_ARRAY_DIMENSIONS": list(dims), **facts})
    return made
