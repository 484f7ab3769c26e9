"""Makers of rasters, right and wrong: every maker writes into a folder and hands nothing back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS

Maker = Callable[[Path], object]

UTM = CRS.from_epsg(32647)
WGS84 = CRS.from_epsg(4326)
COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)
ROWS, COLUMNS, SCALE = 10, 12, 4


def detail(rows: int = ROWS, columns: int = COLUMNS, scale: int = SCALE) -> np.ndarray:
    """A fine pattern between 0 and 1 that a guide shows and the LST follows."""
    return np.random.default_rng(7).uniform(0, 1, (rows * scale, columns * scale))


def kelvin(rows: int = ROWS, columns: int = COLUMNS, scale: int = SCALE) -> np.ndarray:
    """Coarse temperatures that follow the pattern."""
    blocks = detail(rows, columns, scale).reshape(rows, scale, columns, scale)
    return (295 + 10 * blocks.mean((1, 3))).astype(np.float32)


def write(
    path: Path,
    values: np.ndarray,
    transform: Affine = COARSE,
    crs: CRS | None = UTM,
    *,
    driver: str = "GTiff",
    tags: dict[str, str] | None = None,
    units: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    mask: np.ndarray | None = None,
    **profile: Any,
) -> Path:
    """Write ``(rows, columns)`` or ``(bands, rows, columns)``."""
    planes = values if values.ndim == 3 else values[None]
    count, height, width = planes.shape
    shape = {"count": count, "height": height, "width": width, "dtype": planes.dtype}
    place = {"crs": crs, "transform": transform}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver=driver, **shape, **place, **profile) as raster,
    ):
        raster.write(planes)
        if units is not None:
            raster.units = (units,) * count
        if scale is not None or offset is not None:
            raster.scales = (1.0 if scale is None else scale,) * count
            raster.offsets = (0.0 if offset is None else offset,) * count
        if tags:
            raster.update_tags(**tags)
        if mask is not None:
            raster.write_mask(mask)
    return path


def lst(values: np.ndarray | None = None, **options: Any) -> Maker:
    """Make a maker of ``lst.tif``."""
    return lambda folder: write(
        folder / "lst.tif", kelvin() if values is None else values, **options
    )


def guide(values: np.ndarray | None = None, **options: Any) -> Maker:
    """Make a maker of a right ``lst.tif`` and a ``guide.tif``."""

    def make(folder: Path) -> None:
        write(folder / "lst.tif", kelvin())
        pattern = detail().astype(np.float32) if values is None else values
        write(folder / "guide.tif", pattern, **{"transform": FINE} | options)

    return make


def both(*makers: Maker) -> Maker:
    """Make a maker of all."""
    return lambda folder: [make(folder) for make in makers]


def contents(name: str, data: bytes) -> Maker:
    """Make a maker of a file of bytes."""
    return lambda folder: (folder / name).write_bytes(data)


def cut(make: Maker, name: str, keep: float) -> Maker:
    """Cut off the end of a file that was made."""

    def made(folder: Path) -> None:
        make(folder)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(len(whole) * keep)])

    return made


def damage(make: Maker, name: str, start: float, stop: float) -> Maker:
    """Overwrite the bytes between two shares of a file that was made."""

    def made(folder: Path) -> None:
        make(folder)
        whole = bytearray((folder / name).read_bytes())
        first, last = int(len(whole) * start), int(len(whole) * stop)
        whole[first:last] = b"\xa5" * (last - first)
        (folder / name).write_bytes(whole)

    return made


def vrt(
    *bands: str, crs: str = "EPSG:32647", transform: Affine | None = COARSE, size: str = ""
) -> bytes:
    """Write the text of a virtual raster over the LST's grid."""
    size = size or f'rasterXSize="{COLUMNS}" rasterYSize="{ROWS}"'
    place = f"<SRS>{crs}</SRS>" if crs else ""
    if transform is not None:
        t = transform
        place += f"<GeoTransform>{t.c},{t.a},{t.b},{t.f},{t.d},{t.e}</GeoTransform>"
    return f"<VRTDataset {size}>{place}{''.join(bands)}</VRTDataset>".encode()


def vrt_band(source: str, number: int = 1, extra: str = "", *, of: int = 1) -> str:
    """Write the text of a virtual band that shows a band of a file beside it."""
    return (
        f'<VRTRasterBand dataType="Float32" band="{number}">{extra}<SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{source}</SourceFilename>'
        f"<SourceBand>{of}</SourceBand></SimpleSource></VRTRasterBand>"
    )
