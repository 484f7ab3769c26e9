"""Write what ``groklst prepare`` makes: patches, and the scenes that they were cut from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from groklst_cli.data.patches import SceneEntry
from groklst_cli.data.truth import SceneTruth, sha256
from groklst_cli.geo.grid import Grid

FOLDER: Final = "scenes"
_ROWS: Final = 256  # fine rows at once


def write_planes(path: Path, planes: NDArray[np.float32], names: Sequence[str], grid: Grid) -> None:
    """Write named bands ``(bands, rows, columns)`` as a GeoTIFF."""
    with _opened(path, names, grid) as raster:
        raster.write(planes)


def write_scene(scene: SceneTruth, scale: int, sigma: float, out: Path) -> SceneEntry:
    """Write a whole scene as input for ``downscale``: its coarse LST and its guidance.

    Args:
        scene: The scene.
        scale: Fine pixels along a coarse pixel.
        sigma: Standard deviation of the sensor's point spread, fine pixels.
        out: The prepared folder.
    """
    coarse = scene.grid.coarsen(scale)
    rows, columns = slice(0, coarse.height * scale), slice(0, coarse.width * scale)
    fine = scene.grid.crop(rows, columns)
    files = {"lst": f"{FOLDER}/{scene.name}_lst.tif"}
    with _opened(out / files["lst"], ("lst",), coarse) as raster:
        for part in _parts(rows.stop, scale):
            window = Window(0, part.start // scale, coarse.width, (part.stop - part.start) // scale)
            raster.write(scene.read_coarse(part, columns, scale, sigma), 1, window=window)
        raster.update_tags(units="kelvin")
    if scene.bands:
        files["guide"] = f"{FOLDER}/{scene.name}_guide.tif"
        with _opened(out / files["guide"], scene.bands, fine) as raster:
            for part in _parts(rows.stop, scale):
                window = Window(0, part.start, fine.width, part.stop - part.start)
                raster.write(scene.read_guide(part, columns), window=window)
    hashes = {kind: sha256(out / name) for kind, name in files.items()}
    return SceneEntry(scene.name, scene.bands, fine.shape, files, hashes)


def _parts(height: int, scale: int) -> Iterator[slice]:
    """Cut fine rows into whole coarse ones."""
    step = max(1, _ROWS // scale) * scale
    for start in range(0, height, step):
        yield slice(start, min(height, start + step))


@contextmanager
def _opened(path: Path, names: Sequence[str], grid: Grid) -> Iterator[DatasetWriter]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="float32",
        count=len(names),
        height=grid.height,
        width=grid.width,
        crs=grid.crs,
        transform=grid.transform,
        nodata=float("nan"),
        compress="deflate",
        predictor=3,
        bigtiff="if_safer",
    ) as raster:
        for index, name in enumerate(names, 1):
            raster.set_band_description(index, name)
        yield raster
