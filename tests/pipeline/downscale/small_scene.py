"""A small scene with a gap, in kelvin and in °C, a guide, and a grid in degrees."""

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from tests.conftest import WriteRaster

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
SCALE = 4


def write_small_scene(write_raster: WriteRaster) -> None:
    """Write ``lst.tif``, ``celsius.tif``, ``red.tif`` and ``like.tif``."""
    rng = np.random.default_rng(0)
    red = rng.normal(0, 1, (80, 88)).astype(np.float32)
    lst = 300 + red.reshape(20, SCALE, 22, SCALE).mean((1, 3)) + rng.normal(0, 0.1, (20, 22))
    lst[3, 4] = np.nan
    write_raster("lst.tif", lst.astype(np.float32), COARSE, tags={"units": "K"})
    write_raster("celsius.tif", (lst - 273.15).astype(np.float32), COARSE, tags={"units": "degC"})
    write_raster("red.tif", red, COARSE * Affine.scale(1 / SCALE))
    degrees = Affine(0.002, 0, 99.01, 0, -0.002, 39.64)
    write_raster("like.tif", np.zeros((15, 20), np.float32), degrees, crs=CRS.from_epsg(4326))
