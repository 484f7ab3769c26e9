"""Scenes and weights made up for measuring: their speed does not depend on what is in them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.crs import CRS

from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization

SCALE = 8
FINE = Affine(30, 0, 500000, 0, -30, 4400000)
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")


def write(path: Path, values: np.ndarray, transform: Affine, scale: float = 1.0) -> None:
    """Write one band, compressed as products are."""
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1],
        dtype=values.dtype, crs=CRS.from_epsg(32647), transform=transform, tiled=True,
        compress="deflate",
    ) as raster:  # fmt: skip
        raster.write(values, 1)
        raster.scales = (scale,)


def make_scene(folder: Path, height: int, width: int) -> None:
    """Write an LST and six guides on one lattice, of which two explain most of it."""
    rng = np.random.default_rng(0)
    lst = rng.normal(300, 0.3, (height // SCALE, width // SCALE))
    for name in BANDS:
        coarse = rng.integers(500, 5000, (height // 4, width // 4))
        band = coarse.repeat(4, 0).repeat(4, 1) + rng.integers(0, 50, (height, width))
        write(folder / f"{name}.tif", band.astype("uint16"), FINE, 1e-4)
        means = band.reshape(height // SCALE, SCALE, -1, SCALE).mean((1, 3)) * 1e-4
        lst += {"nir": -20.0, "swir1": 15.0}.get(name, 0.0) * means
    write(folder / "lst.tif", lst.astype(np.float32), FINE * Affine.scale(SCALE))


def make_checkpoint(
    path: Path,
    network: str = "mocolsk",
    *,
    tile: int = 256,
    bands: tuple[str, ...] = BANDS,
    scale: int = SCALE,
    **arguments: Any,
) -> None:
    """Write a network with random weights; what is left out has the published value."""
    statistics = tuple(BandStatistics(band, 0.3, 0.1) for band in bands)
    header = Header(network, scale, Normalization(300, 5, statistics), arguments, tile=tile)
    torch.manual_seed(0)
    save(Checkpoint(header, header.build_network().state_dict()), path)


def command(folder: Path, model: object, *more: object) -> list[str]:
    """Return a command that downscales the folder's scene to its ``out.tif``."""
    guides = [part for band in BANDS for part in ("--guide", str(folder / f"{band}.tif"))]
    return [
        *(sys.executable, "-m", "groklst_cli", "downscale"),
        *(str(folder / "lst.tif"), str(folder / "out.tif")),
        *(*guides, "--model", str(model), "-d", "cpu", "-q", *map(str, more)),
    ]
