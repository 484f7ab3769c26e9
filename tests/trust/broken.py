"""Makers of rasters that are broken in ways of their own."""

import os
from pathlib import Path

import h5py
import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from tests.trust.rasters import COARSE, UTM, Maker, kelvin, write


def two_variables(folder: Path) -> None:
    with h5py.File(folder / "lst.h5", "w") as container:
        container["day"], container["night"] = kelvin(), kelvin()


def looping(folder: Path) -> None:
    """Write a TIFF whose first directory names itself as the next, and has no size."""
    entry = b"\x03\x01\x03\0\x01\0\0\0\x01\0\0\0"  # no compression
    (folder / "lst.tif").write_bytes(b"II*\0\x08\0\0\0\x01\0" + entry + b"\x08\0\0\0")


def paletted(folder: Path) -> None:
    path = write(folder / "lst.tif", np.full((10, 12), 2, np.uint8), photometric="palette")
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {2: (255, 0, 0)})


def with_alpha(folder: Path) -> None:
    values = np.stack([kelvin(), np.full((10, 12), 255, np.float32)])
    path = write(folder / "lst.tif", values)
    with rasterio.open(path, "r+") as raster:
        raster.colorinterp = (ColorInterp.gray, ColorInterp.alpha)


def gcps_only(folder: Path) -> None:
    corners = [(0, 0), (0, 12), (10, 0), (10, 12)]
    points = [GroundControlPoint(r, c, c * 240, -r * 240) for r, c in corners]
    path = write(folder / "lst.tif", kelvin(), Affine.identity(), None)
    with rasterio.open(path, "r+") as raster:
        raster.gcps = (points, UTM)


def rpcs_only(folder: Path) -> None:
    terms = " ".join(["0"] * 19 + ["1"])
    rpcs = {"LINE_OFF": "5", "SAMP_OFF": "6", "LAT_OFF": "39", "LONG_OFF": "99"}
    rpcs |= {"HEIGHT_OFF": "0", "LINE_SCALE": "5", "SAMP_SCALE": "6", "LAT_SCALE": "1"}
    rpcs |= {"LONG_SCALE": "1", "HEIGHT_SCALE": "1"}
    rpcs |= {f"{axis}_{part}_COEFF": terms for axis in ("LINE", "SAMP") for part in ("NUM", "DEN")}
    path = write(folder / "lst.tif", kelvin(), Affine.identity(), None)
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(ns="RPC", **rpcs)


def huge_sparse(folder: Path) -> None:
    size = {"height": 200_000_000, "width": 100, "count": 1, "dtype": "float32"}
    block = {"tiled": True, "blockxsize": 112, "blockysize": 65536, "SPARSE_OK": "TRUE"}
    place = {"crs": UTM, "transform": COARSE}
    with rasterio.open(
        folder / "lst.tif", "w", driver="GTiff", BIGTIFF="YES", **size, **block, **place
    ):
        pass


def fifo(name: str) -> Maker:
    return lambda folder: os.mkfifo(folder / name)


def link(name: str, target: str) -> Maker:
    return lambda folder: (folder / name).symlink_to(target)
